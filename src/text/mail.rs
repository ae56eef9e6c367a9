//! Cuts from a body what its writer did not write for this ticket: quoted mail, signatures, disclaimers.
//!
//! Cuts whole lines only, and never everything. Quoted mail under an answer was said before and goes; a mail that is passed on is
//! the ticket itself and stays: when nothing but a label stands above it, when it is introduced as forwarded, or when the title says so.

use std::{collections::BTreeSet, ops::Range, sync::LazyLock};

use regex::Regex;

use super::{clean::Flag, glyph::Glyph};

/// The line above quoted mail, in the languages mail programs write it in.
static QUOTE_INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^\s*(
            -{2,}\s*(original\s+message|urspr.ngliche\s+nachricht|message\s+d.origine|mensaje\s+original)\s*-{2,}
            | _{20,}
            | on\s.{4,120}\swrote\s*:
            | am\s.{4,120}\sschrieb\b.{0,120}:
            | le\s.{4,120}\sa\s.crit\s*:
            | el\s.{4,120}\sescribi.\s*:
            | il\s.{4,120}\sha\sscritto\s*:
            | op\s.{4,120}\sschreef\b.{0,80}:
            | \#\#-\s*please\s+type\s+your\s+reply\s+above\s+this\s+line\s*-\#\#
        )\s*$",
    )
});
/// The line above a mail that is passed on.
static FORWARD_INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^\s*(
            -{2,}\s*(forwarded\s+(message|by\b.{0,120})|weitergeleitete\s+nachricht|message\s+transf.r.|mensaje\s+reenviado|messaggio\s+inoltrato|doorgestuurd\s+bericht)\s*-{2,}
            | begin\s+forwarded\s+message\s*:
            | anfang\s+der\s+weitergeleiteten\s+(e-?mail|nachricht)\s*:
            | d.but\s+du\s+message\s+(transf.r.|r.exp.di.)\s*:
        )\s*$",
    )
});
/// What mail programs put before the subject of a mail that is passed on, after what a gateway put before that.
static FORWARD_SUBJECT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^\s*(\[[^\]]{0,40}\]\s*)*(fwd?|wg|tr|rv|enc|vb|vl|pd|ilt|doorst)\s*:"));
/// First line of an Outlook header block; it takes a second header line to be one.
static HEADER_FROM: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\s*\*?(from|von|de|da|van)\*?\s*:\s*\S"));
static HEADER_SENT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^\s*\*?(sent|gesendet|envoy.|enviado|inviato|verzonden|date|datum|to|an|subject|betreff)\*?\s*:\s*\S"));
static SIGN_OFF: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^\s*(
            (kind|best|warm|with\s+best|with\s+kind)?\s*regards | kind\s+regards.{0,3} | best\s+wishes | many\s+thanks | thanks\s+(and|&)\s+regards
            | yours\s+(sincerely|faithfully|truly) | sincerely | cheers | br
            | (mit\s+)?(freundlichen?|besten?|viele)\s+gr..(e|en) | mfg | vg
            | cordialement | bien\s+cordialement | (un\s+)?saludos?(\s+cordial(es)?)? | atentamente | cordiali\s+saluti | met\s+vriendelijke\s+groet(en)?
        )\s*[,.!]?\s*$",
    )
});
static DEVICE_SIGNATURE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\s*(sent from (my|outlook|yahoo|mail for)\b.{0,60}|von meinem .{2,30} gesendet|get outlook for (ios|android).{0,60}|envoy. de mon .{2,30})\s*$",
    )
});
static DISCLAIMER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
            \b(this|the\s+information\s+(contained\s+)?in\s+this)\s+(e-?mail|message|communication|transmission)\b.{0,200}\b(confidential|privileged|intended\s+(solely|only|exclusively))
            | \bif\s+you\s+(are\s+not\s+the\s+intended\s+recipient|have\s+received\s+this\s+(e-?mail|message)\s+in\s+error)
            | ^\s*(confidentiality\s+notice|disclaimer)\b
            | \bdiese\s+e-?mail\s+(enth.lt|kann)\b.{0,120}\bvertraulich
            | \bplease\s+consider\s+the\s+environment\s+before\s+printing
            | ^\s*\[?(caution|external|warning)\]?\s*:?\s*(this\s+(e-?mail|message)\s+(originated|came|was\s+sent)\s+from\s+outside|external\s+(e-?mail|sender))",
    )
});

/// After a sign-off, at most this many lines are a signature; more is text again.
const LONGEST_SIGNATURE: usize = 12;

fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the patterns of this file are literals and every one is compiled by its tests")
}

/// The glyphs of one line, its end excluded.
struct Line {
    glyphs: Range<usize>,
    text: String,
    cut: bool,
}

/// Whether a title is that of a mail that somebody passed on.
pub(super) fn is_forwarded(title: &str) -> bool {
    FORWARD_SUBJECT.is_match(title)
}

/// `glyphs` without quoted mail, signatures and disclaimers; says in `flags` what went. A forwarded mail keeps what it quotes.
pub(super) fn cut(glyphs: Vec<Glyph>, forwarded: bool, flags: &mut BTreeSet<Flag>) -> Vec<Glyph> {
    let mut lines = lines(&glyphs);
    let steps = [
        (cut_quotes as fn(&mut [Line], &[Glyph]), Flag::QuotedTextCut),
        (cut_disclaimers, Flag::DisclaimerCut),
        (cut_signature, Flag::SignatureCut),
    ];
    for (step, flag) in steps.into_iter().filter(|(_, flag)| !(forwarded && *flag == Flag::QuotedTextCut)) {
        let before: Vec<bool> = lines.iter().map(|line| line.cut).collect();
        step(&mut lines, &glyphs);
        if lines.iter().all(|line| line.cut || line.text.trim().is_empty()) {
            lines.iter_mut().zip(before).for_each(|(line, was)| line.cut = was);
        } else if lines.iter().zip(&before).any(|(line, was)| line.cut && !was && !line.text.trim().is_empty()) {
            flags.insert(flag);
        }
    }
    if !lines.iter().any(|line| line.cut) {
        return glyphs;
    }
    // A line's end is the glyph after it; it stays, so that what is around a cut does not grow together.
    let mut keep = vec![true; glyphs.len()];
    for line in lines.iter().filter(|line| line.cut) {
        keep[line.glyphs.clone()].fill(false);
    }
    glyphs.into_iter().zip(keep).filter_map(|(glyph, keep)| keep.then_some(glyph)).collect()
}

fn lines(glyphs: &[Glyph]) -> Vec<Line> {
    let mut at = 0;
    glyphs
        .split(|glyph| glyph.ch == '\n')
        .map(|line| {
            let range = at..at + line.len();
            at = range.end + 1;
            Line { glyphs: range, text: line.iter().map(|glyph| glyph.ch).collect(), cut: false }
        })
        .collect()
}

fn cut_quotes(lines: &mut [Line], glyphs: &[Glyph]) {
    let header = |index: usize| {
        HEADER_FROM.is_match(&lines[index].text)
            && lines[index + 1..].iter().filter(|line| !line.text.trim().is_empty()).take(2).any(|line| HEADER_SENT.is_match(&line.text))
    };
    let introductions: Vec<usize> =
        (0..lines.len()).filter(|index| QUOTE_INTRODUCTION.is_match(&lines[*index].text) || header(*index)).collect();
    if let Some(forward) = lines.iter().position(|line| FORWARD_INTRODUCTION.is_match(&line.text))
        && introductions.iter().all(|index| forward < *index)
    {
        return;
    }
    for line in lines.iter_mut() {
        let range = &glyphs[line.glyphs.clone()];
        let quoted = !range.is_empty() && range.iter().all(|glyph| glyph.quoted || glyph.ch.is_whitespace());
        line.cut |= quoted || line.text.trim_start().starts_with('>');
    }
    // What stands above is the answer; without more than a label above ("Email:"), the quoted mail is the ticket.
    let answer = |line: &Line| !line.cut && !line.text.trim().is_empty() && !line.text.trim_end().ends_with(':');
    if let Some(start) = introductions.into_iter().find(|index| lines[..*index].iter().any(answer)) {
        lines[start..].iter_mut().for_each(|line| line.cut = true);
    }
}

fn cut_disclaimers(lines: &mut [Line], _: &[Glyph]) {
    let mut inside = false;
    for line in lines.iter_mut() {
        // A disclaimer is a paragraph: it ends with an empty line.
        inside = !line.text.trim().is_empty() && (inside || DISCLAIMER.is_match(&line.text));
        line.cut |= inside;
    }
}

fn cut_signature(lines: &mut [Line], _: &[Glyph]) {
    for line in lines.iter_mut().filter(|line| DEVICE_SIGNATURE.is_match(&line.text)) {
        line.cut = true;
    }
    let left = |from: usize| lines[from..].iter().filter(|line| !line.cut && !line.text.trim().is_empty()).count();
    let start = (0..lines.len()).find(|index| {
        let text = lines[*index].text.as_str();
        !lines[*index].cut && (text.trim_end() == "--" || SIGN_OFF.is_match(text)) && left(*index) <= LONGEST_SIGNATURE
    });
    if let Some(start) = start {
        lines[start..].iter_mut().for_each(|line| line.cut = true);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::glyph, *};

    fn after(body: &str) -> (String, Vec<Flag>) {
        let mut flags = BTreeSet::new();
        let text: String = cut(glyph::plain(body), false, &mut flags).iter().map(|glyph| glyph.ch).collect();
        (text.trim().to_owned(), flags.into_iter().collect())
    }

    #[test]
    fn quoted_mail_under_the_answer_is_cut_in_several_languages() {
        for introduction in [
            "On Mon, 3 Nov 2026 at 10:00, Service Desk <desk@example.com> wrote:",
            "-----Original Message-----",
            "Am 03.11.2026 um 10:00 schrieb Service Desk:",
            "Le lun. 3 nov. 2026 à 10:00, Service <d@example.com> a écrit :",
            "From: Service Desk\nSent: Monday\nSubject: x",
        ] {
            let (text, flags) = after(&format!("still broken\n\n{introduction}\n> did you restart it?\nplease answer"));
            assert_eq!(text, "still broken", "{introduction}");
            assert_eq!(flags, [Flag::QuotedTextCut], "{introduction}");
        }
    }

    #[test]
    fn a_forwarded_mail_without_a_word_above_it_is_the_ticket() {
        let (text, flags) = after("From: monitoring@example.com\nSent: today\nSubject: disk full\n\n/var is at 99 %");
        assert!(text.contains("/var is at 99 %"));
        assert!(flags.is_empty());
    }

    #[test]
    fn a_mail_that_is_passed_on_stays_under_what_is_written_above_it() {
        let mail = "From: monitoring@example.com\nSent: today\nSubject: disk full\n\n/var is at 99 %";
        for above in [
            "Email:",
            "---------- Forwarded message ---------",
            "please look\n\n---------- Forwarded message ---------",
            "please look\n\nBegin forwarded message:\n",
            "bitte ansehen\n-------- Weitergeleitete Nachricht --------",
        ] {
            let (text, flags) = after(&format!("{above}\n{mail}\n> did you clean up?"));
            assert!(text.contains("/var is at 99 %") && flags.iter().all(|flag| *flag == Flag::QuotedTextCut), "{above}: {text}");
        }
        let (text, _) = after(&format!("still full\n\nOn Monday, the desk wrote:\n---------- Forwarded message ---------\n{mail}"));
        assert_eq!(text, "still full", "what an answer quotes was said before, forwarded or not");
    }

    #[test]
    fn the_title_says_that_a_mail_was_passed_on() {
        for title in ["FW: disk full", "fwd: disk full", "WG: Platte voll", "[EXTERNAL] Fwd : disk full", " [#17] [ext] TR: disque plein"] {
            assert!(is_forwarded(title), "{title}");
        }
        for title in
            ["Re: FW: disk full", "firewall: rule missing", "AW: WG: Platte voll", "fw rule missing", "", "printer fw: update fails"]
        {
            assert!(!is_forwarded(title), "{title}");
        }
    }

    #[test]
    fn an_answer_below_what_it_quotes_stays() {
        assert_eq!(
            after("On Monday, the desk wrote:\n> did you restart it?\nyes, still broken").0,
            "On Monday, the desk wrote:\n\nyes, still broken"
        );
    }

    #[test]
    fn a_signature_is_cut_but_a_short_thank_you_note_is_not_emptied() {
        let (text, flags) = after("vpn drops every hour\n\nKind regards,\nAna Prieto\nFinance, building 3\n+34 600 000 000");
        assert_eq!((text.as_str(), flags.as_slice()), ("vpn drops every hour", &[Flag::SignatureCut][..]));
        assert_eq!(after("Kind regards,\nAna").0, "Kind regards,\nAna");
        assert_eq!(after("no sound\nSent from my iPhone").0, "no sound");
    }

    #[test]
    fn a_sign_off_far_above_the_end_is_text() {
        let long = (0..30).map(|n| format!("step {n} fails")).collect::<Vec<_>>().join("\n");
        assert!(after(&format!("hello\nregards,\n{long}")).0.contains("step 29 fails"));
    }

    #[test]
    fn a_disclaimer_goes_and_what_follows_it_stays() {
        let (text, flags) =
            after("cannot log in\n\nThis e-mail is confidential and intended solely\nfor the addressee.\n\nerror 0x80070005");
        assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), "cannot log in error 0x80070005");
        assert_eq!(flags, [Flag::DisclaimerCut]);
    }
}
