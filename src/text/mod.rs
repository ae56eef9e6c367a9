//! What a stranger wrote, made readable: cleaned with spans back to the original, cut into tokens, redacted.
//!
//! Pure. Nothing here fails: any text, however odd, has a cleaned form.

mod clean;
pub mod embedding;
mod glyph;
mod html;
mod language;
mod mail;
mod redact;
mod search;
mod source_map;
pub mod tokens;

pub use clean::{CleanTicket, Cleaned, Flag, clean_fields, clean_ticket};
pub use redact::{mask, redact};
pub use search::search_words;
