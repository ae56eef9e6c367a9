//! How long a receiver asks us to wait: `Retry-After` of RFC 9110, section 10.2.3, in seconds or as a date.
//!
//! A date is measured against the answer's own `Date`, never against our clock, which may be another. Without a `Date`
//! it says nothing.

use std::time::{Duration, SystemTime};

use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// What the headers ask for; `None` when they ask for nothing that can be read. A date in the past is zero.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(date(headers, DATE)?).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(retry_after: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        super::retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read_and_dates_are_measured_by_the_receivers_clock() {
        let now = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(read("120", None), Some(120));
        assert_eq!(read(" 0 ", now), Some(0));
        assert_eq!(read("Wed, 21 Oct 2015 07:29:30 GMT", now), Some(90));
        assert_eq!(read("Wednesday, 21-Oct-15 07:29:30 GMT", now), Some(90), "RFC 850");
        assert_eq!(read("Wed Oct 21 07:29:30 2015", now), Some(90), "asctime");
        assert_eq!(read("Wed, 21 Oct 2015 07:00:00 GMT", now), Some(0), "in the past");
        assert_eq!(read("Wed, 21 Oct 2015 07:29:30 GMT", None), None, "whose clock?");
        for odd in ["", "-1", "1.5", "soon", "99999999999999999999999", "Wed, 99 Oct 2015 07:28:00 GMT"] {
            assert_eq!(read(odd, now), None, "{odd}");
        }
        assert_eq!(super::retry_after(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn a_date_so_far_ahead_is_so_many_seconds(start in 0_u64..4_000_000_000, ahead in 0_u64..400_000) {
            let at = |seconds| httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(seconds));
            prop_assert_eq!(read(&at(start + ahead), Some(&at(start))), Some(ahead));
        }

        #[test]
        fn no_text_panics(text in "[ -~]{0,60}", date in "[ -~]{0,60}") {
            let _ = read(&text, Some(&date));
        }
    }
}
