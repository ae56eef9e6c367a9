//! The shadow agreement report as a chart: a row a runbook version, its agreement with interval, and the counts.
//!
//! SVG by hand: a dozen shapes need no library. It follows the reader's light or dark mode, says everything in words
//! too, and carries no script. All text is escaped.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::show::{ReportParams, report};
use crate::{
    gate::agreement::{ShadowReport, VersionAgreement},
    server::{app::App, auth::Caller, parameters::Params, problem::Problem},
};

const WIDTH: u32 = 760;
const HEAD: u32 = 64;
const ROW: u32 = 92;
const FOOT: u32 = 34;
/// Where the scale of 0 to 100 % begins and how long it is.
const LEFT: f64 = 24.0;
const SPAN: f64 = 712.0;

/// Colours of both modes keep a contrast of at least 4.5 : 1 for text and 3 : 1 for shapes (WCAG 2.2, 1.4.3 and 1.4.11).
/// Without CSS variables, which renderers outside of browsers do not know.
const STYLE: &str = "\
svg{font-family:system-ui,sans-serif;font-size:14px}.paper{fill:#fff}text{fill:#1b1f24}.head{font-size:17px;font-weight:600}.name{font-weight:600}\
.faint{fill:#59636e;font-size:12px}.track{fill:#e4e8ec}.bar{fill:#2f6fb5}.whisker{stroke:#1b1f24;stroke-width:2}\
.limit{stroke:#b3261e;stroke-width:2;stroke-dasharray:4 3}\
@media(prefers-color-scheme:dark){.paper{fill:#15191e}text{fill:#e8ebee}.faint{fill:#a3adb8}.track{fill:#2c343d}.bar{fill:#3f7fc4}\
.whisker{stroke:#e8ebee}.limit{stroke:#ff8a80}}";

/// Shadow agreement report as a chart
#[utoipa::path(
    get,
    path = "/v1/shadow-report.svg",
    tag = "shadow-report",
    params(ReportParams),
    responses((status = 200, description = "The report as a chart", body = String, content_type = "image/svg+xml"))
)]
pub async fn chart(State(app): State<App>, caller: Caller, Params(params): Params<ReportParams>) -> Result<Response, Problem> {
    let drawn = draw(&report(&app, &caller, params).await?, Place::Alone);
    // An SVG opened by itself is a document: it may load and run nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, policy)];
    Ok((headers, drawn).into_response())
}

/// Where the chart stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Place {
    /// A document of its own, with its own colours.
    Alone,
    /// On a page of the console, which has colours for the same classes.
    OnAPage,
}

/// The chart. Rows stand in the order of the report.
pub(in crate::server) fn draw(report: &ShadowReport, place: Place) -> String {
    let (class, own) = match place {
        Place::Alone => ("", format!("<style>{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>")),
        Place::OnAPage => ("class=\"chart\" ", String::new()),
    };
    let rows = u32::try_from(report.versions.len()).unwrap_or(u32::MAX / ROW).max(1);
    let height = HEAD + ROW * rows + FOOT;
    let words: Vec<String> = report.versions.iter().map(in_words).collect();
    let described = if words.is_empty() { "Nothing would have run by itself.".to_owned() } else { words.join(" ") };
    let mut svg = format!(
        "<svg {class}xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"chart-title chart-desc\">\n<title id=\"chart-title\">Shadow agreement</title>\n<desc id=\"chart-desc\">{}</desc>\n{own}\n",
        escaped(&described),
    );
    let text = |class: &str, x: f64, y: u32, anchor: &str, words: &str| {
        format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>\n", escaped(words))
    };
    svg += &text("head", LEFT, 28, "start", "What would have run by itself, and whether people agreed");
    svg += &text("faint", LEFT, 48, "start", &format!("proposals from {} to {}", day(report.since), day(report.until)));
    if report.versions.is_empty() {
        svg += &text("", LEFT, HEAD + 30, "start", &described);
    }
    for (row, version) in (0..).zip(&report.versions) {
        let top = HEAD + ROW * row;
        let old = if version.in_force { "" } else { ", not in force" };
        svg += &text("name", LEFT, top + 18, "start", version.runbook.as_str());
        svg += &text("faint", LEFT + SPAN, top + 18, "end", &format!("{}{old}", version.digest.short()));
        let _ = writeln!(svg, "<rect class=\"track\" x=\"{LEFT}\" y=\"{}\" width=\"{SPAN}\" height=\"14\" rx=\"2\"/>", top + 26);
        if let Some(agreement) = &version.agreement {
            let at = |rate: f64| LEFT + SPAN * rate;
            let _ = writeln!(
                svg,
                "<rect class=\"bar\" x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"14\" rx=\"2\"/>",
                top + 26,
                SPAN * agreement.rate
            );
            let (low, high, middle) = (at(agreement.lower), at(agreement.upper), top + 33);
            let _ = writeln!(
                svg,
                "<path class=\"whisker\" fill=\"none\" d=\"M{low:.1} {} V{} M{low:.1} {middle} H{high:.1} M{high:.1} {} V{}\"/>",
                top + 28,
                top + 38,
                top + 28,
                top + 38
            );
        }
        if version.bound.limit < 1.0 {
            let limit = LEFT + SPAN * (1.0 - version.bound.limit);
            let _ = writeln!(svg, "<path class=\"limit\" fill=\"none\" d=\"M{limit:.1} {} V{}\"/>", top + 22, top + 44);
        }
        svg += &text("faint", LEFT, top + 58, "start", &counts(version));
        svg += &text("faint", LEFT, top + 74, "start", &needed(version));
    }
    let legend = "bar: share that was right; line across its end: interval; dashed: the share that the error limit asks for";
    svg += &text("faint", LEFT, height - 12, "start", legend);
    svg + "</svg>\n"
}

fn day(at: crate::domain::time::Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn percent(rate: f64) -> String {
    format!("{:.1} %", rate * 100.0)
}

fn counts(version: &VersionAgreement) -> String {
    let right = version.judged - version.wrong();
    let judged = format!("would have acted {}, judged {}", version.would_have_acted, version.judged);
    match &version.agreement {
        Some(agreement) => format!(
            "{judged}: {right} right = {} ({} to {} at {})",
            percent(agreement.rate),
            percent(agreement.lower),
            percent(agreement.upper),
            percent(agreement.confidence)
        ),
        None => judged,
    }
}

fn needed(version: &VersionAgreement) -> String {
    let bound = &version.bound;
    match (bound.holds, bound.right_needed) {
        (true, _) if bound.limit >= 1.0 => format!("error bound {}, no limit set", percent(bound.upper)),
        (true, _) => format!("error bound {} inside the limit of {}", percent(bound.upper), percent(bound.limit)),
        (false, Some(more)) => {
            format!("error bound {} over the limit of {}: {more} more right ones needed", percent(bound.upper), percent(bound.limit))
        }
        (false, None) => format!(
            "error bound {} over the limit of {}, and no number of right ones is enough",
            percent(bound.upper),
            percent(bound.limit)
        ),
    }
}

fn in_words(version: &VersionAgreement) -> String {
    format!("{}: {}; {}.", version.runbook, counts(version), needed(version))
}

/// For XML text and attributes; characters that XML 1.0 cannot hold are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{digest::Digest, name::RunbookId, time::Timestamp},
        gate::{
            agreement::{Agreement, ShadowReport, VersionAgreement},
            facts::{ErrorRecord, PerMillion},
        },
    };

    fn report(versions: Vec<VersionAgreement>) -> ShadowReport {
        ShadowReport { since: Timestamp::UNIX_EPOCH, until: Timestamp::from_millis(1_700_000_000_000), versions }
    }

    fn version(agreement: Option<Agreement>) -> VersionAgreement {
        let record =
            ErrorRecord { decisions: 60, wrong: 1, confidence: PerMillion::new(950_000), limit: PerMillion::new(50_000), demoted: false };
        let runbook = RunbookId::new("restart-print-spooler").unwrap();
        VersionAgreement { agreement, ..VersionAgreement::new(runbook, Digest::of(b"r"), true, 80, &record) }
    }

    #[test]
    fn the_chart_is_well_formed_and_says_in_words_what_it_shows() {
        let some = Agreement { rate: 0.975, lower: 0.9, upper: 0.99, confidence: 0.95 };
        for report in [report(vec![]), report(vec![version(None)]), report(vec![version(Some(some)), version(None)])] {
            let drawn = draw(&report, Place::Alone);
            let mut open = Vec::new();
            for tag in drawn.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
                match tag.strip_prefix('/') {
                    Some(name) => assert_eq!(open.pop(), Some(name), "{drawn}"),
                    None if tag.ends_with('/') => {}
                    None => open.push(tag.split([' ', '\n']).next().unwrap()),
                }
            }
            assert!(open.is_empty(), "{open:?}");
            let described = drawn.split("<desc id=\"chart-desc\">").nth(1).unwrap().split("</desc>").next().unwrap();
            let words = if report.versions.is_empty() { "Nothing would have run" } else { "would have acted 80, judged 0" };
            assert!(described.contains(words), "{described}");
            assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{drawn}");
        }
    }

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escaped("</text><script>\"a\" & 'b'\u{0}\n"), "&lt;/text&gt;&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
    }
}
