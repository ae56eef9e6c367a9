//! A runbook's Markdown as HTML: its own words and no tag, image or address but those of the web.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Safe to stand on a page: raw HTML is shown as text, images are their words, and links lead to the web only.
pub fn to_html(text: &str) -> String {
    let mut dropped = Vec::new();
    let events = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).filter_map(move |event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { dest_url, .. }) => {
            let fine = ["https://", "http://"].iter().any(|scheme| dest_url.to_ascii_lowercase().starts_with(scheme));
            dropped.push(!fine);
            fine.then(|| Event::Start(link(dest_url)))
        }
        Event::End(TagEnd::Link) => (!dropped.pop().unwrap_or(true)).then_some(Event::End(TagEnd::Link)),
        // A page has one heading of the first order, and it is not the runbook's.
        Event::Start(Tag::Heading { level, .. }) => {
            let level = if level < pulldown_cmark::HeadingLevel::H2 { pulldown_cmark::HeadingLevel::H2 } else { level };
            Some(Event::Start(Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() }))
        }
        Event::End(TagEnd::Heading(level)) => {
            let level = if level < pulldown_cmark::HeadingLevel::H2 { pulldown_cmark::HeadingLevel::H2 } else { level };
            Some(Event::End(TagEnd::Heading(level)))
        }
        other => Some(other),
    });
    let mut out = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut out, events);
    out
}

fn link(dest_url: CowStr<'_>) -> Tag<'_> {
    Tag::Link { link_type: pulldown_cmark::LinkType::Inline, dest_url, title: CowStr::Borrowed(""), id: CowStr::Borrowed("") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_runbook_says_becomes_a_tag_or_leads_anywhere_but_to_the_web() {
        let html = to_html(
            "# Top\n\n<script>alert(1)</script>\n\nand *so* ![x](https://evil/i.png) [a](javascript:alert(1)) [b](https://ok.example)",
        );
        assert!(html.contains("<h2>Top</h2>") && html.contains("<em>so</em>"), "{html}");
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(!html.contains("javascript:") && html.contains("href=\"https://ok.example\""), "{html}");
    }
}
