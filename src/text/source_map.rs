//! Where each byte of a cleaned text came from in the original field.
//!
//! Kept as runs, because most of a cleaned text is a plain copy of parts of the original.
// INVARIANT: runs are in order of `clean`, start at 0 when there is any text, and cover it without gaps.

use std::ops::Range;

use super::glyph::Glyph;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    clean: usize,
    original: usize,
    original_end: usize,
    /// True when the bytes are the original's; false when they stand for them as a whole (`é` for `&eacute;`).
    copied: bool,
}

/// From byte ranges of the cleaned text to byte ranges of the original.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SourceMap {
    runs: Vec<Run>,
}

impl SourceMap {
    /// The cleaned text of `glyphs` and its map. `original` is the text the glyphs' offsets point into.
    pub(super) fn assemble(glyphs: &[Glyph], original: &str) -> (String, Self) {
        let mut text = String::with_capacity(glyphs.len());
        let mut runs: Vec<Run> = Vec::new();
        for glyph in glyphs {
            let clean = text.len();
            text.push(glyph.ch);
            let copied = original.get(glyph.start..glyph.end).is_some_and(|bytes| bytes == &text[clean..]);
            match runs.last_mut() {
                Some(run) if run.copied && copied && run.original_end == glyph.start => run.original_end = glyph.end,
                _ => runs.push(Run { clean, original: glyph.start, original_end: glyph.end, copied }),
            }
        }
        (text, Self { runs })
    }

    /// The original bytes behind `range` of the cleaned text; both ends on character borders.
    ///
    /// An empty or outside range gives an empty range.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        let (Some(first), Some(last)) = (self.run_at(range.start), range.end.checked_sub(1).and_then(|end| self.run_at(end))) else {
            return 0..0;
        };
        if range.is_empty() {
            return first.original..first.original;
        }
        let start = if first.copied { (first.original + (range.start - first.clean)).min(first.original_end) } else { first.original };
        let end = if last.copied { (last.original + (range.end - last.clean)).min(last.original_end) } else { last.original_end };
        // Reordered marks can turn the order of two neighbours round; a range never runs backwards.
        start.min(end)..end.max(start)
    }

    fn run_at(&self, clean: usize) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.clean <= clean);
        after.checked_sub(1).and_then(|index| self.runs.get(index))
    }
}
