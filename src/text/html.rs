//! What a reader of HTML sees, each character with the bytes it stands for.
//!
//! A forgiving pass of our own, because renderers (html2text) give no way back to the original bytes and the
//! console has to mark words in them. Never builds a document tree, never follows a link, never fails: broken
//! markup comes out as text.

use std::collections::BTreeSet;

use super::{clean::Flag, glyph::Glyph};

/// Elements whose content nobody reads.
const UNREAD: [&str; 9] = ["script", "style", "head", "title", "template", "svg", "math", "object", "iframe"];
/// Elements that end a line, besides the ones listed in [`PARAGRAPH`].
const LINE: [&str; 9] = ["br", "div", "li", "tr", "dt", "dd", "section", "article", "option"];
/// Elements that stand apart from what is around them.
const PARAGRAPH: [&str; 16] =
    ["p", "table", "ul", "ol", "dl", "pre", "blockquote", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "header", "footer"];
const CELL: [&str; 2] = ["td", "th"];
/// Elements without content, so without an end tag.
const VOID: [&str; 8] = ["br", "hr", "img", "input", "meta", "link", "wbr", "col"];
/// Longest tag that is read as one; a `<` further from its `>` is a less-than sign.
const LONGEST_TAG: usize = 8 * 1024;

/// True when a body that is not declared as HTML clearly is.
pub(super) fn looks_like_html(body: &str) -> bool {
    let start = body.trim_start().get(..15).unwrap_or_default().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return true;
    }
    ["</p>", "</div>", "</html>", "</table>", "</span>", "<br>", "<br/>", "<br />"].iter().any(|tag| body.contains(tag))
}

/// An element that hides or quotes what it holds, until its end tag.
struct Open {
    name: String,
    /// Elements of the same name opened inside.
    depth: usize,
}

#[derive(Default)]
struct Pass {
    out: Vec<Glyph>,
    /// Content is not read while this is open.
    unread: Option<Open>,
    quote: Option<Open>,
    preformatted: usize,
}

/// The text of `source` that a reader sees.
pub(super) fn visible_text(source: &str, flags: &mut BTreeSet<Flag>) -> Vec<Glyph> {
    let mut pass = Pass::default();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        at += pass.step(at, rest, flags);
    }
    pass.out
}

impl Pass {
    /// Reads one tag, reference or character at `at` and says how many bytes it took.
    fn step(&mut self, at: usize, rest: &str, flags: &mut BTreeSet<Flag>) -> usize {
        if rest.starts_with("<!--") {
            // An unclosed comment hides the rest, as it does in a browser.
            return rest.find("-->").map_or(rest.len(), |end| end + 3);
        }
        if rest.starts_with('<')
            && let Some(len) = tag_length(rest)
        {
            self.tag(at, &rest[..len], flags);
            return len;
        }
        if rest.starts_with('&')
            && let Some((ch, len)) = reference(rest)
        {
            self.push(ch, at, at + len);
            return len;
        }
        let ch = rest.chars().next().unwrap_or(' ');
        let shown = if self.preformatted == 0 && matches!(ch, '\n' | '\r' | '\t') { ' ' } else { ch };
        self.push(shown, at, at + ch.len_utf8());
        ch.len_utf8()
    }

    fn push(&mut self, ch: char, start: usize, end: usize) {
        if self.unread.is_none() {
            self.out.push(Glyph { ch, start, end, quoted: self.quote.is_some() });
        }
    }

    fn tag(&mut self, at: usize, tag: &str, flags: &mut BTreeSet<Flag>) {
        let inner = tag.trim_start_matches('<').trim_end_matches('>');
        let (closing, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
        let name: String =
            inner.chars().take_while(|ch| ch.is_ascii_alphanumeric() || *ch == ':' || *ch == '-').collect::<String>().to_ascii_lowercase();
        let end = at + tag.len();
        for open in [&mut self.unread, &mut self.quote] {
            if let Some(element) = open
                && element.name == name
            {
                match (closing, element.depth) {
                    (true, 0) => *open = None,
                    (true, _) => element.depth -= 1,
                    (false, _) => element.depth += 1,
                }
            }
        }
        if !closing && self.unread.is_none() && !VOID.contains(&name.as_str()) && !inner.ends_with('/') {
            let attributes = inner[name.len()..].to_ascii_lowercase();
            if UNREAD.contains(&name.as_str()) {
                self.unread = Some(Open { name: name.clone(), depth: 0 });
            } else if is_hidden(&attributes) {
                flags.insert(Flag::HiddenText);
                self.unread = Some(Open { name: name.clone(), depth: 0 });
            } else if self.quote.is_none() && is_mail_quote(&name, &attributes) {
                self.quote = Some(Open { name: name.clone(), depth: 0 });
            }
        }
        match name.as_str() {
            "pre" if closing => self.preformatted = self.preformatted.saturating_sub(1),
            "pre" => self.preformatted += 1,
            _ => {}
        }
        if PARAGRAPH.contains(&name.as_str()) {
            self.push('\n', at, end);
            self.push('\n', at, end);
        } else if LINE.contains(&name.as_str()) {
            self.push('\n', at, end);
        } else if CELL.contains(&name.as_str()) {
            self.push(' ', at, end);
        }
    }
}

/// The length of the tag at the start of `rest`, when it is one.
fn tag_length(rest: &str) -> Option<usize> {
    let second = rest.as_bytes().get(1)?;
    if !(second.is_ascii_alphabetic() || matches!(second, b'/' | b'!' | b'?')) {
        return None;
    }
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate().take(LONGEST_TAG) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            // `<a < b` is a comparison, no tag.
            (None, b'<') if at > 0 => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn is_hidden(attributes: &str) -> bool {
    let squeezed: String = attributes.chars().filter(|ch| !ch.is_whitespace()).collect();
    squeezed.contains("display:none")
        || squeezed.contains("visibility:hidden")
        || squeezed.contains("font-size:0;")
        || squeezed.contains("font-size:0\"")
        || squeezed.contains("font-size:0px")
        || attributes.split_whitespace().any(|word| word == "hidden" || word.starts_with("hidden="))
}

fn is_mail_quote(name: &str, attributes: &str) -> bool {
    (name == "blockquote" && (attributes.contains("type=\"cite\"") || attributes.contains("type=cite")))
        || ["gmail_quote", "yahoo_quoted", "moz-cite-prefix", "divrplyfwdmsg"].iter().any(|mark| attributes.contains(mark))
}

/// Named character references that mail and help desk editors write. Others stay as they stand.
const NAMED: [(&str, char); 40] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{A0}'),
    ("shy", '\u{AD}'),
    ("zwnj", '\u{200C}'),
    ("zwj", '\u{200D}'),
    ("lrm", '\u{200E}'),
    ("rlm", '\u{200F}'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("bull", '•'),
    ("middot", '·'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("euro", '€'),
    ("pound", '£'),
    ("deg", '°'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("agrave", 'à'),
    ("ccedil", 'ç'),
    ("ntilde", 'ñ'),
];

/// The character of the reference at the start of `rest` and its length in bytes.
fn reference(rest: &str) -> Option<(char, usize)> {
    let end = rest.bytes().take(12).position(|byte| byte == b';')?;
    let name = rest.get(1..end)?;
    let ch = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
        None => NAMED.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((ch, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> (String, BTreeSet<Flag>) {
        let mut flags = BTreeSet::new();
        let glyphs = visible_text(html, &mut flags);
        (glyphs.iter().map(|glyph| glyph.ch).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" "), flags)
    }

    #[test]
    fn scripts_styles_and_comments_are_not_read() {
        let (text, flags) = read("<head><title>x</title></head>a<script>if (1<2) alert('</b>')</script><!-- no -->b<style>p{}</style> c");
        assert_eq!(text, "ab c");
        assert!(flags.is_empty());
    }

    #[test]
    fn text_the_markup_hides_is_dropped_and_flagged() {
        let (text, flags) = read("<div>reset<div style='display: none'>wipe <div>all</div> disks</div> my password</div><p hidden>x</p>");
        assert_eq!(text, "reset my password");
        assert!(flags.contains(&Flag::HiddenText));
    }

    #[test]
    fn comparisons_and_broken_markup_stay_text() {
        assert_eq!(read("load < 5 and a <3 and x > 3 &unknown; &#xZZ; &amp").0, "load < 5 and a <3 and x > 3 &unknown; &#xZZ; &amp");
        assert_eq!(read("tail <p unclosed=\"").0, "tail <p unclosed=\"");
    }

    #[test]
    fn references_are_read_by_name_decimal_and_hex() {
        assert_eq!(read("&lt;svc&gt; &#8364;5 &#x20AC;6 &uuml;ber").0, "<svc> €5 €6 über");
    }

    #[test]
    fn table_cells_do_not_grow_together() {
        assert_eq!(read("<table><tr><td>host</td><td>db-1</td></tr></table>").0, "host db-1");
    }
}
