//! Near-duplicates inside a window of time: one cause, many reports.
//!
//! A text is the set of its plain words and of the pairs of them that follow each other; numbers, hosts and other particulars
//! are none. Sets are compared by MinHash (Broder 1997): the share of equal minima is about the share of the words that two
//! texts have in common. Bands of minima find who may be near without comparing with all. A text joins the cluster whose
//! first text it is near to, so that a cluster does not drift from one complaint to the next.
//!
//! Pure: the same texts in the same order give the same clusters.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use crate::domain::{digest::Digest, id::TicketId, ticket::Report, time::Timestamp};

/// Minima of one sketch, and how they are cut into bands of four: of two texts with seven in ten of all words and pairs in
/// common 89 % share a band, with half of them 40 %, with a fifth 1 %.
const MINIMA: usize = 32;
const BANDS: usize = 8;
/// So many equal minima make near-duplicates: about seven in ten of all words and pairs are common.
const NEAR: usize = 22;
/// Words that count; beyond these a text is its own.
const WORDS: usize = 60;

/// What of a text is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch([u64; MINIMA]);

impl Sketch {
    pub fn of(report: &Report) -> Self {
        let text = [report.title.as_untrusted(), report.body.as_untrusted()].join(" ").to_lowercase();
        let plain = |word: &&str| word.chars().all(char::is_alphabetic);
        let trimmed = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).filter(|word| !word.is_empty());
        let words: Vec<&str> = trimmed.filter(plain).take(WORDS).collect();
        let mut minima = [u64::MAX; MINIMA];
        let mut add = |parts: &[&str]| {
            // The same on every machine and after every start: clusters are compared with those of a run before.
            let digest = Digest::of(parts.join("\0").as_bytes());
            let hash = digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            // Each minimum under a mixing of its own (SplitMix64's).
            for (place, minimum) in minima.iter_mut().enumerate() {
                let mut mixed = hash ^ (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                *minimum = (*minimum).min(mixed ^ (mixed >> 31));
            }
        };
        words.iter().for_each(|word| add(&[word]));
        words.windows(2).for_each(&mut add);
        if words.is_empty() {
            // A text of particulars only has nothing in common with others of its kind.
            add(&[&text, "\u{1}"]);
        }
        Self(minima)
    }

    fn is_near(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).filter(|(a, b)| a == b).count() >= NEAR
    }

    fn bands(&self) -> impl Iterator<Item = (usize, [u64; MINIMA / BANDS])> + '_ {
        self.0.as_chunks::<{ MINIMA / BANDS }>().0.iter().copied().enumerate()
    }
}

/// Texts of one cause.
#[derive(Debug, Clone)]
struct Cluster {
    first: TicketId,
    sketch: Sketch,
    /// Tickets of the window.
    size: u64,
    last: Timestamp,
}

/// The cluster of one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Membership {
    /// The ticket that came first: the one to work on.
    pub first: TicketId,
    /// Tickets of the cluster that came inside the window, this one included.
    pub size: u64,
}

/// The clusters of one tenant.
#[derive(Debug, Default)]
pub struct Clusters {
    window: Duration,
    next: u64,
    clusters: BTreeMap<u64, Cluster>,
    by_band: HashMap<(usize, [u64; MINIMA / BANDS]), Vec<u64>>,
    of_ticket: HashMap<TicketId, u64>,
    /// Everything of the window in the order of its coming, with its cluster: what is past goes from the front. `None` keeps
    /// a remembered cluster that nothing joined yet.
    arrivals: BTreeSet<(Timestamp, Option<TicketId>, u64)>,
}

impl Clusters {
    pub fn new(window: Duration) -> Self {
        Self { window, ..Self::default() }
    }

    /// Begins a cluster with a ticket that came long ago, as `first`: what is near to it belongs to it while `last` is
    /// inside the window.
    pub fn remember(&mut self, first: TicketId, sketch: Sketch, last: Timestamp) {
        let key = self.begin(first, sketch);
        self.arrive(key, None, last);
    }

    /// Takes in a ticket that came at `at`; one that is known stays where it is.
    pub fn add(&mut self, ticket: TicketId, sketch: &Sketch, at: Timestamp) {
        if self.of_ticket.contains_key(&ticket) {
            return;
        }
        self.forget(at);
        let near = |key: &&u64| self.clusters.get(key).is_some_and(|cluster| cluster.sketch.is_near(sketch));
        let found = sketch.bands().filter_map(|band| self.by_band.get(&band)).flatten().find(near).copied();
        let key = found.unwrap_or_else(|| self.begin(ticket, sketch.clone()));
        self.of_ticket.insert(ticket, key);
        self.arrive(key, Some(ticket), at);
    }

    fn arrive(&mut self, key: u64, ticket: Option<TicketId>, at: Timestamp) {
        if let Some(cluster) = self.clusters.get_mut(&key) {
            cluster.size += u64::from(ticket.is_some());
            cluster.last = cluster.last.max(at);
            self.arrivals.insert((at, ticket, key));
        }
    }

    /// The cluster of a ticket that was added, as it is at `now`.
    pub fn of(&mut self, ticket: TicketId, now: Timestamp) -> Option<Membership> {
        self.forget(now);
        let cluster = self.clusters.get(self.of_ticket.get(&ticket)?)?;
        Some(Membership { first: cluster.first, size: cluster.size })
    }

    fn begin(&mut self, first: TicketId, sketch: Sketch) -> u64 {
        let key = self.next;
        self.next += 1;
        for band in sketch.bands() {
            self.by_band.entry(band).or_default().push(key);
        }
        self.clusters.insert(key, Cluster { first, sketch, size: 0, last: Timestamp::UNIX_EPOCH });
        key
    }

    /// Lets go of what is older than the window, and of clusters in which nothing came since. Costs what it lets go of.
    fn forget(&mut self, now: Timestamp) {
        let since = now.minus(self.window);
        while let Some((at, ticket, key)) = self.arrivals.first().copied().filter(|(at, ..)| *at < since) {
            self.arrivals.remove(&(at, ticket, key));
            if let Some(cluster) = self.clusters.get_mut(&key) {
                cluster.size -= u64::from(ticket.is_some());
                if cluster.last < since {
                    self.end(key);
                }
            }
            if let Some(ticket) = ticket {
                self.of_ticket.remove(&ticket);
            }
        }
    }

    fn end(&mut self, key: u64) {
        let Some(cluster) = self.clusters.remove(&key) else { return };
        for band in cluster.sketch.bands() {
            if let Some(keys) = self.by_band.get_mut(&band) {
                keys.retain(|other| *other != key);
                if keys.is_empty() {
                    self.by_band.remove(&band);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(title: &str) -> Report {
        serde_json::from_value(serde_json::json!({
            "external_id": "1", "kind": "incident", "event": "opened", "title": title, "body": "", "body_is_html": false,
            "labels": {}, "attributes": {}, "tags": [],
        }))
        .unwrap()
    }

    /// Sizes of those of at least `least` tickets.
    fn sizes(clusters: &mut Clusters, least: u64, now: Timestamp) -> Vec<u64> {
        clusters.forget(now);
        clusters.clusters.values().map(|cluster| cluster.size).filter(|size| *size >= least).collect()
    }

    fn id(number: u128) -> TicketId {
        TicketId::new(at(0), number)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn clusters() -> Clusters {
        Clusters::new(Duration::from_secs(600))
    }

    fn outage(number: usize) -> Report {
        let greetings = ["Hello", "Hi team", "Good morning", "Urgent please"];
        let (greeting, floor) = (greetings[number % 4], number % 9);
        report(&format!(
            "{greeting}, the mail server does not answer and nobody on floor {floor} can send or receive any message since this morning (ref {number})"
        ))
    }

    #[test]
    fn near_equal_reports_are_one_cluster_and_the_first_is_its_candidate() {
        let mut clusters = clusters();
        for number in 0..200 {
            clusters.add(id(number as u128), &Sketch::of(&outage(number)), at(number as i64));
            clusters.add(
                id(1_000 + number as u128),
                &Sketch::of(&report(&format!("Please order laptop model {number} for the colleague in room {number}, thanks"))),
                at(number as i64),
            );
        }
        assert_eq!(clusters.of(id(150), at(200)), Some(Membership { first: id(0), size: 200 }));
        assert_eq!(sizes(&mut clusters, 150, at(200)).len(), 2);
    }

    #[test]
    fn unrelated_reports_are_clusters_of_one_and_short_ones_too() {
        let mut clusters = clusters();
        let titles = [
            "Disk full",
            "Disk slow",
            "VPN drops the tunnel",
            "VPN does not connect at all",
            "Printer jam on floor",
            "Password forgotten",
            "",
            "500",
            "prn-07",
        ];
        for (number, title) in titles.iter().enumerate() {
            clusters.add(id(number as u128), &Sketch::of(&report(title)), at(0));
        }
        assert!(sizes(&mut clusters, 2, at(1)).is_empty());
    }

    #[test]
    fn a_trickle_is_no_storm_and_a_cluster_without_news_is_over() {
        let mut clusters = clusters();
        for number in 0..20 {
            let now = at(number * 400);
            clusters.add(id(number as u128), &Sketch::of(&outage(number as usize)), now);
            assert!(clusters.of(id(number as u128), now).unwrap().size <= 2);
        }
        let later = at(20 * 400 + 601);
        assert_eq!(clusters.of(id(19), later), None);
        clusters.add(id(99), &Sketch::of(&outage(3)), later);
        assert_eq!(clusters.of(id(99), later), Some(Membership { first: id(99), size: 1 }), "a new cause");
        assert_eq!(
            (clusters.by_band.len(), clusters.of_ticket.len(), clusters.arrivals.len()),
            (BANDS, 1, 1),
            "nothing of the old one is held"
        );
    }

    #[test]
    fn a_remembered_cluster_keeps_its_candidate() {
        let mut clusters = clusters();
        clusters.remember(id(1), Sketch::of(&outage(1)), at(0));
        clusters.add(id(2), &Sketch::of(&outage(2)), at(10));
        assert_eq!(clusters.of(id(2), at(10)), Some(Membership { first: id(1), size: 1 }));
    }

    proptest::proptest! {
        #[test]
        fn every_ticket_of_the_window_is_in_exactly_one_cluster(reports in proptest::collection::vec(("[a-c]{1,2}( [a-c]{1,2}){0,8}", 0i64..900), 1..60)) {
            let mut clusters = clusters();
            let mut times: Vec<_> = reports.iter().map(|(_, time)| *time).collect();
            times.sort_unstable();
            for (number, ((title, _), time)) in reports.iter().zip(&times).enumerate() {
                clusters.add(id(number as u128), &Sketch::of(&report(title)), at(*time));
            }
            let now = at(*times.last().unwrap());
            let inside = times.iter().filter(|time| at(**time) >= now.minus(Duration::from_secs(600))).count() as u64;
            let all: u64 = sizes(&mut clusters, 1, now).iter().sum();
            proptest::prop_assert_eq!(all, inside);
        }
    }
}
