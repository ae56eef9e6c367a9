//! The calibration plot: what a head claimed against how often it was right, as SVG.
//!
//! A point on the dotted line is honest; below it the head claims too much. The whiskers are 95 % intervals, so that a bin
//! of few answers does not look like a fault. The bars below say how many answers each bin has.

use std::fmt::Write as _;

use super::{calibration::Bin, measure};

/// Where a plot will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A file of its own, which brings its colours, light and dark.
    Alone,
    /// A page that has colours for the same classes.
    OnAPage,
}

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1d232b}.faint{fill:#5b6673}.paper{fill:#fff}.bar{fill:#2f6fde}\
    .whisker{stroke:#1d232b;fill:none}.limit{stroke:#5b6673;stroke-dasharray:3 3}.grid{stroke:#d5dae0}\
    @media (prefers-color-scheme:dark){text{fill:#e6eaef}.faint{fill:#9aa5b1}.paper{fill:#14181d}.bar{fill:#7aa7f7}\
    .whisker{stroke:#e6eaef}.limit{stroke:#9aa5b1}.grid{stroke:#39424d}}";

/// Sides of the square of probabilities, and of the strip of counts under it.
const SQUARE: f64 = 260.0;
const STRIP: f64 = 44.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 12.0;

/// The plot of one head's `bins`, which are equal and cover `0..=1`; `target` names the head.
pub fn calibration_plot(target: &str, bins: &[Bin], place: Place) -> String {
    let (class, own) = match place {
        Place::Alone => ("", format!("<style>{STYLE}</style><rect class=\"paper\" width=\"100%\" height=\"100%\"/>")),
        Place::OnAPage => (" class=\"chart\"", String::new()),
    };
    let (width, height) = (LEFT + SQUARE + 32.0, TOP + SQUARE + STRIP + 44.0);
    let all: usize = bins.iter().map(|bin| bin.answers).sum();
    let right: usize = bins.iter().map(|bin| bin.right).sum();
    let mut svg = format!(
        "<svg{class} xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Calibration of {target}: {right} of {all} right; probability claimed from left to right, share right upwards\">{own}"
    );
    let (x, y) = (|share: f64| LEFT + share * SQUARE, |share: f64| TOP + (1.0 - share) * SQUARE);
    let floor = TOP + SQUARE + STRIP;
    // Writing to a string cannot fail.
    for tenth in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (across, up, percent) = (x(tenth), y(tenth), tenth * 100.0);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{up:.1}\" y2=\"{up:.1}\"/><text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{percent}</text>\
             <text class=\"faint\" x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{percent} %</text>",
            x(1.0),
            LEFT - 6.0,
            up + 4.0,
            floor + 16.0
        );
    }
    let _ = write!(svg, "<line class=\"limit\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>", x(0.0), y(0.0), x(1.0), y(1.0));
    let most = bins.iter().map(|bin| bin.answers).max().unwrap_or(0).max(1) as f64;
    let wide = SQUARE / bins.len().max(1) as f64;
    for (place, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.answers > 0) {
        let tall = (bin.answers as f64 / most * (STRIP - 6.0)).max(1.0);
        let (low, high) = measure::interval(bin.right, bin.answers);
        let (across, share) = (x(bin.claimed), bin.right as f64 / bin.answers as f64);
        let _ = write!(
            svg,
            "<g><title>claimed {:.0} %: {} of {} right</title><rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/>\
             <line class=\"whisker\" x1=\"{across:.1}\" x2=\"{across:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/><circle class=\"bar\" cx=\"{across:.1}\" cy=\"{:.1}\" r=\"4\"/></g>",
            bin.claimed * 100.0,
            bin.right,
            bin.answers,
            LEFT + place as f64 * wide + 1.0,
            floor - tall,
            wide - 2.0,
            y(low),
            y(high),
            y(share)
        );
    }
    let _ = writeln!(svg, "<text class=\"faint\" x=\"{LEFT}\" y=\"{:.1}\">claimed, with answers; right upwards</text></svg>", floor + 36.0);
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_bin_lies_on_the_line_and_the_plot_says_its_counts_in_words() {
        let mut bins = vec![Bin::default(); 15];
        bins[12] = Bin { answers: 100, claimed: 0.8, right: 80 };
        let svg = calibration_plot("category", &bins, Place::Alone);
        let (across, up) = (LEFT + 0.8 * SQUARE, TOP + 0.2 * SQUARE);
        assert!(svg.contains(&format!("cx=\"{across:.1}\" cy=\"{up:.1}\"")), "{svg}");
        assert!(svg.contains("claimed 80 %: 80 of 100 right") && svg.contains("prefers-color-scheme"));
        let on_a_page = calibration_plot("category", &bins, Place::OnAPage);
        assert!(!on_a_page.contains("<style") && on_a_page.contains("class=\"chart\""), "the console's policy forbids styles inside");
    }
}
