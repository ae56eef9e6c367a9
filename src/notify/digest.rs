//! When a digest is due: at its times of the day, on the wall clock of its zone. Pure.

use jiff::{
    ToSpan as _,
    civil::Time,
    tz::{Disambiguation, TimeZone},
};

use super::NotifyError;
use crate::{
    config::Config,
    domain::{name::TenantId, outbox::Destination, time::Timestamp},
};

/// A configured digest.
#[derive(Debug, Clone)]
pub struct Digest {
    pub name: String,
    pub tenant: TenantId,
    pub to: Vec<Destination>,
    at: Vec<Time>,
    zone: TimeZone,
}

/// # Errors
/// A tenant, a time or a zone that is none.
pub(crate) fn from_config(config: &Config) -> Result<Vec<Digest>, NotifyError> {
    let read = |digest: &crate::config::mail::Digest| {
        let refuse = |why: String| NotifyError::Mail { why: format!("digest `{}`: {why}", digest.name) };
        Ok(Digest {
            name: digest.name.clone(),
            tenant: TenantId::new(&digest.tenant).map_err(|why| refuse(why.to_string()))?,
            to: digest.recipients.iter().cloned().map(Destination::Mail).collect(),
            at: digest.times().map_err(refuse)?,
            zone: digest.zone().map_err(refuse)?,
        })
    };
    config.digests.iter().map(read).collect()
}

impl Digest {
    /// The latest instant at or before `now` at which it is due, and the one before that.
    ///
    /// A time that the clocks skip is taken after the gap, one that comes twice at its first.
    pub fn due(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let today = self.zone.to_datetime(now.as_jiff()).date();
        let mut instants: Vec<Timestamp> = (-2..=0)
            .filter_map(|day| today.checked_add(day.days()).ok())
            .flat_map(|date| self.at.iter().map(move |time| date.to_datetime(*time)))
            .filter_map(|wall| self.zone.to_ambiguous_timestamp(wall).disambiguate(Disambiguation::Compatible).ok())
            .map(|instant| Timestamp::from_millis(instant.as_millisecond()))
            .filter(|instant| *instant <= now)
            .collect();
        instants.sort_unstable();
        instants.dedup();
        let latest = instants.pop()?;
        Some((latest, instants.pop()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(at: &[&str], zone: &str) -> Digest {
        let config: Config = serde_json::from_value(serde_json::json!({
            "digests": [{ "name": "d", "recipients": ["ana"], "at": at, "zone": zone }],
        }))
        .unwrap();
        from_config(&config).unwrap().pop().unwrap()
    }

    fn due(digest: &Digest, now: &str) -> (String, String) {
        let (latest, before) = digest.due(now.parse().unwrap()).unwrap();
        (latest.to_string(), before.to_string())
    }

    #[test]
    fn a_digest_is_due_at_its_times_on_the_wall_clock_of_its_zone_summer_and_winter() {
        let berlin = digest(&["16:00", "08:00"], "Europe/Berlin");
        assert_eq!(due(&berlin, "2026-01-15T06:59:59.999Z"), ("2026-01-14T15:00:00.000Z".into(), "2026-01-14T07:00:00.000Z".into()));
        assert_eq!(due(&berlin, "2026-01-15T07:00:00Z"), ("2026-01-15T07:00:00.000Z".into(), "2026-01-14T15:00:00.000Z".into()));
        assert_eq!(due(&berlin, "2026-07-15T06:00:00Z"), ("2026-07-15T06:00:00.000Z".into(), "2026-07-14T14:00:00.000Z".into()));
    }

    #[test]
    fn where_the_clocks_change_a_digest_is_due_once_a_day() {
        let night = digest(&["02:30"], "Europe/Berlin");
        // 29 March 2026: 02:30 does not exist. 25 October 2026: it comes twice.
        for (from, days) in [("2026-03-27T12:00:00Z", 4), ("2026-10-23T12:00:00Z", 4)] {
            let start: Timestamp = from.parse().unwrap();
            let mut seen = std::collections::BTreeSet::new();
            for minute in 0..days * 24 * 60u64 {
                let now = start.plus(std::time::Duration::from_secs(60 * minute));
                let (latest, before) = night.due(now).unwrap();
                assert!(before < latest && latest <= now);
                if latest >= start {
                    seen.insert(latest);
                }
            }
            assert_eq!(seen.len() as u64, days, "{from}");
        }
    }
}
