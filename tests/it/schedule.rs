//! A deterministic scheduler: actors that share a store take turns, one store call at a time, in a chosen order.
//!
//! Each actor is a thread with a service of its own, as replicas are. Whatever it does between two store calls it
//! does alone. A schedule is the list of whose turn it was, so all of them can be gone through, or drawn at random.
// INVARIANT: at most one actor runs at any moment, so a schedule and the code fix what happens.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, mpsc},
    time::Duration,
};

use sluicegate::store::{
    faulty::{Fault, Faulty},
    interface::Store,
};

/// Far more than one turn takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an idle actor waits for: only these can give it work.
const CHANGES: [&str; 2] = ["commit", "stop"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is this one's turn.
    Running,
    /// Before the named call.
    Before(&'static str),
    /// Found nothing to do; `true` once another actor has changed something since.
    Idle(bool),
    Done,
}

/// What actors wait at. Calls made while no schedule runs pass freely.
#[derive(Default)]
pub struct Turnstile {
    places: Mutex<Vec<Place>>,
    moved: Condvar,
}

impl Turnstile {
    /// The store that `actor` uses.
    pub fn store(self: &Arc<Self>, actor: usize, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        let turnstile = Arc::clone(self);
        Arc::new(Faulty::new(inner, move |call| {
            turnstile.pass(actor, call.operation);
            Fault::None
        }))
    }

    /// Waits for the turn of `actor`.
    pub fn pass(&self, actor: usize, call: &'static str) {
        self.stop_at(actor, Place::Before(call));
    }

    /// Waits until another actor has changed something. False when nobody is left who could.
    pub fn idle(&self, actor: usize) -> bool {
        self.stop_at(actor, Place::Idle(false)) != Some(Place::Done)
    }

    fn stop_at(&self, actor: usize, place: Place) -> Option<Place> {
        let mut places = self.places.lock().unwrap();
        if places.get(actor).is_none_or(|place| *place == Place::Done) {
            return None;
        }
        places[actor] = place;
        self.moved.notify_all();
        let still = |places: &mut Vec<Place>| places[actor] != Place::Running && places[actor] != Place::Done;
        places = self.moved.wait_timeout_while(places, PATIENCE, still).unwrap().0;
        Some(places[actor])
    }

    fn done(&self, actor: usize) {
        if let Some(place) = self.places.lock().unwrap().get_mut(actor) {
            *place = Place::Done;
        }
        self.moved.notify_all();
    }
}

pub type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// How the next turn is chosen.
pub enum Order {
    /// These choices among those who can move, then always the first.
    Prefix(Vec<usize>),
    /// At random, so that every place among the calls is as likely for every actor: `left` is about how many calls
    /// each one has before it. A plain coin would have let the short actors go first nearly always.
    Drawn { seed: u64, left: Vec<u64> },
}

/// One turn: who, before which call, and which choice it was out of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Turn {
    pub actor: usize,
    pub call: &'static str,
    choice: usize,
    choices: usize,
}

/// The prefix of the next schedule after this one; `None` after the last.
pub fn next(turns: &[Turn]) -> Option<Vec<usize>> {
    let last = turns.iter().rposition(|turn| turn.choice + 1 < turn.choices)?;
    Some(turns[..last].iter().map(|turn| turn.choice).chain([turns[last].choice + 1]).collect())
}

/// The threads that actors run on.
pub struct Stage {
    pub turnstile: Arc<Turnstile>,
    threads: Vec<mpsc::Sender<Job>>,
    ended: mpsc::Receiver<()>,
}

impl Stage {
    pub fn new(actors: usize) -> Self {
        let turnstile = Arc::new(Turnstile::default());
        let (end, ended) = mpsc::channel();
        let thread = |actor: usize| {
            let (sender, jobs) = mpsc::channel::<Job>();
            let (turnstile, end) = (Arc::clone(&turnstile), end.clone());
            let work = move || {
                // Kept over all schedules: connections belong to it.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let Ok(job) = jobs.recv() {
                    let ended = Ended { turnstile: &turnstile, actor, end: &end };
                    runtime.block_on(job());
                    drop(ended);
                }
            };
            std::thread::spawn(work);
            sender
        };
        Self { threads: (0..actors).map(thread).collect(), turnstile, ended }
    }

    /// Runs the jobs, one an actor, in this order of turns.
    pub fn run(&self, jobs: Vec<Job>, mut order: Order) -> Vec<Turn> {
        *self.turnstile.places.lock().unwrap() = vec![Place::Running; jobs.len()];
        let actors = jobs.len();
        for (job, thread) in jobs.into_iter().zip(&self.threads) {
            thread.send(job).unwrap();
        }
        let mut turns = Vec::new();
        loop {
            let places = self.turnstile.places.lock().unwrap();
            let running = |places: &mut Vec<Place>| places.contains(&Place::Running);
            let (mut places, waited) = self.turnstile.moved.wait_timeout_while(places, PATIENCE, running).unwrap();
            assert!(!waited.timed_out(), "an actor does not come back: {places:?} after {turns:?}");
            let able: Vec<usize> =
                (0..places.len()).filter(|actor| matches!(places[*actor], Place::Before(_) | Place::Idle(true))).collect();
            if able.is_empty() {
                // Who is idle has nothing to wait for any more.
                places.iter_mut().for_each(|place| *place = Place::Done);
                self.turnstile.moved.notify_all();
                break;
            }
            let choice = order.choose(turns.len(), &able);
            let actor = able[choice];
            let call = if let Place::Before(call) = places[actor] { call } else { "look" };
            if CHANGES.contains(&call) {
                places.iter_mut().filter(|place| matches!(place, Place::Idle(_))).for_each(|place| *place = Place::Idle(true));
            }
            places[actor] = Place::Running;
            turns.push(Turn { actor, call, choice, choices: able.len() });
            self.turnstile.moved.notify_all();
        }
        (0..actors).for_each(|_| self.ended.recv_timeout(PATIENCE).unwrap());
        turns
    }
}

/// Says so when a job is over, also when it panicked.
struct Ended<'a> {
    turnstile: &'a Turnstile,
    actor: usize,
    end: &'a mpsc::Sender<()>,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.turnstile.done(self.actor);
        // Nobody to tell once the test has failed.
        let _ = self.end.send(());
    }
}

impl Order {
    fn choose(&mut self, turn: usize, able: &[usize]) -> usize {
        match self {
            Self::Prefix(choices) => choices.get(turn).copied().unwrap_or(0),
            Self::Drawn { seed, left } => {
                // SplitMix64 (G. Steele et al., 2014).
                *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *seed;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^= z >> 31;
                let weights: Vec<u64> = able.iter().map(|actor| left[*actor].max(1)).collect();
                let mut point = z % weights.iter().sum::<u64>();
                let choice = weights.iter().position(|weight| {
                    let here = point < *weight;
                    point = point.saturating_sub(*weight);
                    here
                });
                let choice = choice.unwrap_or(0);
                left[able[choice]] = left[able[choice]].saturating_sub(1);
                choice
            }
        }
    }
}

#[test]
fn all_schedules_of_two_actors_are_gone_through_and_none_twice() {
    let stage = Stage::new(2);
    let mut seen = std::collections::BTreeSet::new();
    let mut order = Some(Vec::new());
    while let Some(prefix) = order {
        let job = |actor: usize, calls: usize| -> Job {
            let turnstile = Arc::clone(&stage.turnstile);
            Box::new(move || Box::pin(async move { (0..calls).for_each(|_| turnstile.pass(actor, "call")) }))
        };
        let turns = stage.run(vec![job(0, 4), job(1, 3)], Order::Prefix(prefix));
        assert!(seen.insert(turns.iter().map(|turn| turn.actor).collect::<Vec<_>>()));
        order = next(&turns);
    }
    assert_eq!(seen.len(), 35, "7 over 3");
}
