//! What long work is at: a bar on a terminal, a line a stage everywhere else; always on standard error.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::triage::Progress;

/// A bar with how much of the stage is done, or a sign that it goes on where nobody knows how much there is.
pub struct Bar(Option<ProgressBar>);

const COUNTED: &str = "{spinner} {wide_msg} {bar:30} {pos}/{len} {eta}";
const UNCOUNTED: &str = "{spinner} {wide_msg} {elapsed}";

impl Bar {
    pub fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    pub fn tell(&mut self, progress: Progress<'_>) {
        match (&self.0, progress) {
            (None, Progress::Stage(what)) => eprintln!("{what}"),
            (None, Progress::Part { .. }) => {}
            (Some(bar), Progress::Stage(what)) => {
                bar.unset_length();
                style(bar, UNCOUNTED);
                bar.set_message(what.to_owned());
            }
            (Some(bar), Progress::Part { done, of }) => {
                if bar.length() != Some(of as u64) {
                    bar.set_length(of as u64);
                    style(bar, COUNTED);
                }
                bar.set_position(done as u64);
            }
        }
    }
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
