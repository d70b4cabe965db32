//! The workers of this process: how many there may be, and those that are ready before somebody asks.
//!
//! The rule: a worker is handed out once, alive, verified and never used; whoever finds none starts one on its own
//! thread, and waits in its order only when there are as many as there may be. Spares are not started while that keeps
//! the processors busy. No Python runs under the lock, and no worker is ended under it. Left out: starting spares, which
//! the supervisor does between its other work.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::ending::Kind;
use crate::link::Ends;
use crate::patience::Patience;
use crate::recruit::{Candidate, Purpose, Recipe, Recruit, Unready, see_through, startup_patience};
use crate::stop::Stop;
use crate::supervise;
use crate::sys::{PerProcess, process};

/// Kinds of workers of which spares are kept at the same time; the one unused for longest makes room.
const SHELVES: usize = 16;
/// Most spares of one kind.
pub(crate) const MOST_IDLE: usize = 256;
/// Pipes remembered beyond those of twice the workers there are, before those that are gone are forgotten.
const KEPT_ENDS: usize = 64;
/// How long no spare of a kind is started after one failed.
const REST: Duration = Duration::from_secs(1);

static POOL: PerProcess<Pool> = PerProcess::new();

/// What the process was told about its pool; the child of a fork goes by the same.
static CONFIG: Shared = Shared {
    min_idle: AtomicUsize::new(2),
    max_workers: AtomicUsize::new(1024),
    acquire_ms: AtomicU64::new(30_000),
    idle_ms: AtomicU64::new(60_000),
    eager: AtomicBool::new(false),
};

struct Shared {
    min_idle: AtomicUsize,
    max_workers: AtomicUsize,
    acquire_ms: AtomicU64,
    idle_ms: AtomicU64,
    eager: AtomicBool,
}

/// How large the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Spares of each kind.
    pub(crate) min_idle: usize,
    /// Workers at once, idle ones included.
    pub(crate) max_workers: usize,
    /// How long to wait for one when there are as many as there may be.
    pub(crate) acquire: Duration,
    /// How long spares of a kind that nobody asks for are kept.
    pub(crate) idle: Duration,
    /// Spares are kept from the first session of a kind on; otherwise from the second.
    pub(crate) eager: bool,
}

impl Config {
    pub(crate) fn current() -> Config {
        Config {
            min_idle: CONFIG.min_idle.load(Ordering::Relaxed),
            max_workers: CONFIG.max_workers.load(Ordering::Relaxed),
            acquire: Duration::from_millis(CONFIG.acquire_ms.load(Ordering::Relaxed)),
            idle: Duration::from_millis(CONFIG.idle_ms.load(Ordering::Relaxed)),
            eager: CONFIG.eager.load(Ordering::Relaxed),
        }
    }

    /// From now on, in this process and in those forked from it.
    pub(crate) fn set(self) {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        CONFIG.min_idle.store(self.min_idle, Ordering::Relaxed);
        CONFIG.max_workers.store(self.max_workers, Ordering::Relaxed);
        CONFIG.acquire_ms.store(milliseconds(self.acquire), Ordering::Relaxed);
        CONFIG.idle_ms.store(milliseconds(self.idle), Ordering::Relaxed);
        CONFIG.eager.store(self.eager, Ordering::Relaxed);
        let pool = POOL.get();
        pool.admit_waiting();
        drop(pool.surplus(self.min_idle));
        supervise::fill();
    }
}

/// The workers of one process.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
    /// A spare that was being started is there, or failed.
    parked: Condvar,
}

/// How long a start under way is waited for before signals are looked for.
const WARMING: Duration = Duration::from_millis(50);
/// How long a start under way is waited for when the pool is emptied.
const SETTLING: Duration = Duration::from_secs(2);

#[derive(Default)]
struct State {
    shelves: Vec<Shelf>,
    /// Processes that exist or are being started.
    workers: usize,
    waiting: VecDeque<Arc<Ticket>>,
    /// The pipes of all workers, some of which are gone.
    ends: Vec<Weak<Ends>>,
    pressure: Pressure,
    tally: Tally,
}

/// How much of the processors' time goes into starting workers, spares or not: a bucket that runs out at a steady rate.
/// When it is full whoever finds no spare starts a worker anyway, and another one beside it would take from it what it is
/// meant to save.
#[derive(Default)]
struct Pressure {
    level: Duration,
    measured: Option<Instant>,
}

impl Pressure {
    /// The part of the processors' time that may go into starts while some of them are spares'.
    const SHARE: f64 = 0.7;
    /// The bucket's level from which on no spare is started, and its size.
    const HIGH: Duration = Duration::from_millis(4);
    const FULL: Duration = Duration::from_millis(12);

    /// What is in it at this moment.
    fn now(&self, now: Instant) -> Duration {
        static PROCESSORS: OnceLock<usize> = OnceLock::new();
        let processors = *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from));
        let passed = self.measured.map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        let rate = Self::SHARE * f64::from(u32::try_from(processors).unwrap_or(u32::MAX));
        self.level.saturating_sub(passed.min(Self::FULL * 2).mul_f64(rate))
    }

    /// A worker took so long to start.
    fn add(&mut self, time: Duration, now: Instant) {
        self.level = (self.now(now) + time.min(Self::FULL)).min(Self::FULL);
        self.measured = Some(now);
    }

    fn is_high(&self, now: Instant) -> bool {
        self.level >= Self::HIGH && self.now(now) >= Self::HIGH
    }
}

/// Spares of one kind.
struct Shelf {
    recipe: Arc<Recipe>,
    spares: Vec<Recruit>,
    /// Being started by the supervisor.
    starting: usize,
    /// Sessions that asked for this kind.
    opened: u64,
    last_asked: Instant,
    rest_until: Option<Instant>,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Processes started.
    pub(crate) spawned: u64,
    /// Sessions that got a spare, and that did not.
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Spares that died before anybody asked, could not be started, or were not wanted any more.
    pub(crate) died_idle: u64,
    pub(crate) failed: u64,
    pub(crate) retired: u64,
    /// Sessions that had to wait because there were as many workers as there may be, and that waited in vain.
    pub(crate) waits: u64,
    pub(crate) timeouts: u64,
    pub(crate) waited: Duration,
    pub(crate) longest_wait: Duration,
    /// How sessions ended that did not end well, by [`ENDINGS`].
    pub(crate) ended: [u64; ENDINGS.len()],
}

/// What sessions may end by, as the statistics call it.
pub(crate) const ENDINGS: [&str; 13] = [
    "crashed",
    "killed",
    "violation",
    "lost",
    "protocol",
    "cpu",
    "deadline",
    "steps",
    "memory",
    "output",
    "asks",
    "tokens",
    "out_of_memory",
];

/// How things stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) workers: usize,
    pub(crate) idle: usize,
    pub(crate) starting: usize,
    pub(crate) waiting: usize,
    pub(crate) tally: Tally,
}

/// The right to one more process. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    process: u32,
}

impl Permit {
    fn new() -> Self {
        Permit { process: process() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.process == process() {
            POOL.get().give_back();
        }
    }
}

/// A place in the queue.
pub(crate) struct Ticket {
    recipe: Arc<Recipe>,
    since: Instant,
    given: Mutex<Option<Given>>,
    called: Condvar,
    /// Becomes readable when it is called; for those that cannot wait here.
    bell: Option<EventFd>,
}

enum Given {
    Permit(Permit),
    Spare(Box<Recruit>),
}

/// What somebody who asks for a worker gets.
pub(crate) enum Acquired {
    Spare(Box<Recruit>),
    /// To start one.
    Permit(Permit),
    /// To wait.
    Ticket(Arc<Ticket>),
}

/// Whether the one who asks can wait on its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    Here,
    Elsewhere,
}

/// What is to be done until there are enough spares.
enum Warming {
    /// Nothing: there are so many.
    Ready(usize),
    /// To start one.
    Start(Permit),
    /// To wait: others start what is missing.
    Elsewhere,
    /// Nothing: there are as many workers as there may be.
    Full,
}

/// Gets a worker, on the thread of a call.
pub(crate) fn hire(recipe: &Arc<Recipe>) -> Result<Recruit, Unready> {
    let permit = match acquire(recipe, Waits::Here)? {
        Acquired::Spare(recruit) => return Ok(*recruit),
        Acquired::Permit(permit) => permit,
        Acquired::Ticket(ticket) => match ticket.wait()? {
            Given::Spare(recruit) => return Ok(*recruit),
            Given::Permit(permit) => permit,
        },
    };
    see_through(Candidate::start(recipe, Purpose::Session, permit)?, &startup_patience(recipe))
}

/// Asks for a worker.
pub(crate) fn acquire(recipe: &Arc<Recipe>, waits: Waits) -> Result<Acquired, Unready> {
    let bell = match waits {
        Waits::Here => None,
        Waits::Elsewhere if POOL.get().is_full() => {
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            Some(EventFd::from_flags(flags).map_err(Stop::Host)?)
        }
        // If it has become full meanwhile, this one goes beyond it by itself: it could not wait.
        Waits::Elsewhere => None,
    };
    let mut unwanted = Vec::new();
    let acquired = POOL.get().acquire(recipe, waits, bell, &mut unwanted);
    drop(unwanted);
    Ok(acquired)
}

/// Waits until `count` spares of this kind are ready; returns how many are.
pub(crate) fn warm(recipe: &Arc<Recipe>, count: usize) -> Result<usize, Unready> {
    let patience = startup_patience(recipe);
    loop {
        let permit = match POOL.get().begin_warming(recipe, count.min(MOST_IDLE)) {
            Warming::Ready(ready) => return Ok(ready),
            Warming::Start(permit) => permit,
            Warming::Elsewhere => {
                patience.check()?;
                patience.check_signals()?;
                continue;
            }
            Warming::Full => {
                return Err(Unready::Exhausted { most: Config::current().max_workers, waited: 0.0 });
            }
        };
        let started = Candidate::start(recipe, Purpose::Spare, permit)
            .and_then(|candidate| see_through(candidate, &startup_patience(recipe)));
        match started {
            Ok(spare) => drop(POOL.get().park(recipe, Some(spare), MOST_IDLE)),
            Err(why) => {
                POOL.get().park(recipe, None, MOST_IDLE);
                return Err(why);
            }
        }
    }
}

/// A worker was started, which took so long.
pub(crate) fn count_start(time: Duration) {
    POOL.get().lock().pressure.add(time, Instant::now());
}

/// The recipe of a spare to start, and the right to; the supervisor asks.
pub(crate) fn next_wanted() -> Option<(Arc<Recipe>, Permit)> {
    POOL.get().next_wanted()
}

/// Whether [`next_wanted`] would have something.
pub(crate) fn wants() -> bool {
    POOL.get().wants()
}

/// Puts a spare that was wanted where it is found.
pub(crate) fn park(recipe: &Arc<Recipe>, started: Result<Recruit, Unready>) {
    let surplus = POOL.get().park(recipe, started.ok(), Config::current().min_idle);
    drop(surplus);
}

/// Lets go of spares that have died or are not asked for any more.
pub(crate) fn prune() {
    let surplus = POOL.get().prune(Instant::now());
    drop(surplus);
}

/// Ends all spares, and waits until nothing is left of them; kinds count as new afterwards.
pub(crate) fn empty() {
    for spare in POOL.get().clear() {
        spare.end();
    }
    supervise::settle();
}

/// Counts how a session ended.
pub(crate) fn count_ending(kind: &str) {
    if let Some(at) = ENDINGS.iter().position(|known| *known == kind) {
        let mut state = POOL.get().lock();
        if let Some(count) = state.tally.ended.get_mut(at) {
            *count += 1;
        }
    }
}

/// The name of an ending in the statistics; `None` if it was in order.
pub(crate) fn name_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Crashed => "crashed",
        Kind::Memory => "out_of_memory",
        Kind::Killed => "killed",
        Kind::Violation => "violation",
        Kind::Lost => "lost",
        Kind::Protocol => "protocol",
        Kind::Cpu => "cpu",
        Kind::Deadline => "deadline",
        Kind::Closed | Kind::Isolation => return None,
    })
}

pub(crate) fn standing() -> Standing {
    POOL.get().standing()
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self) -> bool {
        let state = self.lock();
        state.workers >= Config::current().max_workers || !state.waiting.is_empty()
    }

    fn acquire(
        &self,
        recipe: &Arc<Recipe>,
        waits: Waits,
        bell: Option<EventFd>,
        unwanted: &mut Vec<Recruit>,
    ) -> Acquired {
        let now = Instant::now();
        let mut state = self.lock();
        let state = &mut *state;
        unwanted.extend(state.make_room_for(recipe));
        let shelf = shelf(&mut state.shelves, recipe, now);
        shelf.opened += 1;
        shelf.last_asked = now;
        while let Some(spare) = shelf.spares.pop() {
            if spare.is_alive() {
                state.tally.hits += 1;
                return Acquired::Spare(Box::new(spare));
            }
            state.tally.died_idle += 1;
            unwanted.push(spare);
        }
        state.tally.misses += 1;
        let may_wait = waits == Waits::Here || bell.is_some();
        let free = state.workers < Config::current().max_workers && state.waiting.is_empty();
        if free || !may_wait {
            state.workers += 1;
            state.tally.spawned += 1;
            return Acquired::Permit(Permit::new());
        }
        // A spare of another kind, idle for longest, makes room.
        let idle = state.shelves.iter_mut().filter(|shelf| !shelf.spares.is_empty());
        if let Some(spare) = idle.min_by_key(|shelf| shelf.last_asked).and_then(|shelf| shelf.spares.pop()) {
            state.tally.retired += 1;
            unwanted.push(spare);
        }
        state.tally.waits += 1;
        let ticket = Ticket {
            recipe: recipe.clone(),
            since: now,
            given: Mutex::new(None),
            called: Condvar::new(),
            bell,
        };
        let ticket = Arc::new(ticket);
        state.waiting.push_back(ticket.clone());
        Acquired::Ticket(ticket)
    }

    fn give_back(&self) {
        let mut state = self.lock();
        if state.workers > Config::current().max_workers {
            state.workers -= 1;
            return;
        }
        state.pass_on();
    }

    /// Lets in whoever waits, after there may be more.
    fn admit_waiting(&self) {
        let mut state = self.lock();
        while !state.waiting.is_empty() && state.workers < Config::current().max_workers {
            state.workers += 1;
            state.pass_on();
        }
    }

    fn wants(&self) -> bool {
        self.lock().wanted().is_some()
    }

    fn next_wanted(&self) -> Option<(Arc<Recipe>, Permit)> {
        let mut state = self.lock();
        let wanted = state.wanted()?;
        wanted.starting += 1;
        let recipe = wanted.recipe.clone();
        state.workers += 1;
        state.tally.spawned += 1;
        Some((recipe, Permit::new()))
    }

    /// What is to be done for so many spares of a kind; waits a moment for those that are being started.
    fn begin_warming(&self, recipe: &Arc<Recipe>, count: usize) -> Warming {
        let now = Instant::now();
        let coming = |state: &mut State| {
            let shelf = shelf(&mut state.shelves, recipe, now);
            shelf.spares.len() < count && shelf.spares.len() + shelf.starting >= count
        };
        let waited = self.parked.wait_timeout_while(self.lock(), WARMING, coming);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if coming(&mut state) {
            return Warming::Elsewhere;
        }
        let state = &mut *state;
        let shelf = shelf(&mut state.shelves, recipe, now);
        shelf.last_asked = now;
        shelf.opened = shelf.opened.max(2);
        if shelf.spares.len() >= count {
            return Warming::Ready(shelf.spares.len());
        }
        if state.workers >= Config::current().max_workers {
            return Warming::Full;
        }
        shelf.starting += 1;
        state.workers += 1;
        state.tally.spawned += 1;
        Warming::Start(Permit::new())
    }

    /// Returns the spare if nobody wants it: there are `most`, or others wait for the right to a process.
    fn park(&self, recipe: &Arc<Recipe>, spare: Option<Recruit>, most: usize) -> Option<Recruit> {
        let now = Instant::now();
        let mut state = self.lock();
        let state = &mut *state;
        let shelf = shelf(&mut state.shelves, recipe, now);
        shelf.starting = shelf.starting.saturating_sub(1);
        self.parked.notify_all();
        let Some(spare) = spare else {
            shelf.rest_until = now.checked_add(REST);
            state.tally.failed += 1;
            return None;
        };
        shelf.rest_until = None;
        if let Some(at) = state.waiting.iter().position(|ticket| ticket.recipe == *recipe) {
            let ticket = state.waiting.remove(at)?;
            state.called(&ticket, Given::Spare(Box::new(spare)));
            return None;
        }
        // Fewer may be wanted than when it was started.
        if !state.waiting.is_empty() || shelf.spares.len() >= most {
            state.tally.retired += 1;
            return Some(spare);
        }
        shelf.spares.push(spare);
        None
    }

    fn prune(&self, now: Instant) -> Vec<Recruit> {
        let idle = Config::current().idle;
        let mut state = self.lock();
        let state = &mut *state;
        let mut unwanted = Vec::new();
        for shelf in &mut state.shelves {
            if now.saturating_duration_since(shelf.last_asked) >= idle {
                state.tally.retired += shelf.spares.len() as u64;
                unwanted.append(&mut shelf.spares);
                // Whoever comes back after so long counts as new.
                shelf.opened = 0;
                continue;
            }
            let dead: Vec<Recruit> = shelf.spares.extract_if(.., |spare| !spare.is_alive()).collect();
            state.tally.died_idle += dead.len() as u64;
            unwanted.extend(dead);
        }
        unwanted
    }

    /// Takes away the spares of each kind beyond `most`.
    fn surplus(&self, most: usize) -> Vec<Recruit> {
        let mut state = self.lock();
        let state = &mut *state;
        let mut unwanted = Vec::new();
        for shelf in &mut state.shelves {
            unwanted.extend(shelf.spares.drain(most.min(shelf.spares.len())..));
        }
        state.tally.retired += unwanted.len() as u64;
        unwanted
    }

    /// Takes away all spares, those that are being started included.
    fn clear(&self) -> Vec<Recruit> {
        let mut state = self.lock();
        for shelf in &mut state.shelves {
            shelf.opened = 0;
        }
        let starting = |state: &mut State| state.shelves.iter().any(|shelf| shelf.starting > 0);
        let waited = self.parked.wait_timeout_while(state, SETTLING, starting);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let spares: Vec<Recruit> =
            state.shelves.iter_mut().flat_map(|shelf| shelf.spares.drain(..)).collect();
        state.tally.retired += spares.len() as u64;
        spares
    }

    fn standing(&self) -> Standing {
        let state = self.lock();
        Standing {
            workers: state.workers,
            idle: state.shelves.iter().map(|shelf| shelf.spares.len()).sum(),
            starting: state.shelves.iter().map(|shelf| shelf.starting).sum(),
            waiting: state.waiting.len(),
            tally: state.tally,
        }
    }

    /// Gives up a place in the queue; returns what was given meanwhile.
    fn give_up(&self, ticket: &Arc<Ticket>) -> Option<Given> {
        let mut state = self.lock();
        state.waiting.retain(|other| !Arc::ptr_eq(other, ticket));
        state.tally.timeouts += 1;
        ticket.lock().take()
    }
}

impl State {
    /// A kind of which there are too few spares.
    fn wanted(&mut self) -> Option<&mut Shelf> {
        let config = Config::current();
        let now = Instant::now();
        if !self.waiting.is_empty() || self.workers >= config.max_workers || self.pressure.is_high(now) {
            return None;
        }
        let opened = if config.eager { 1 } else { 2 };
        self.shelves.iter_mut().find(|shelf| {
            shelf.opened >= opened
                && shelf.spares.len() + shelf.starting < config.min_idle
                && shelf.rest_until.is_none_or(|until| until <= now)
        })
    }

    /// Gives the right to one process to whoever waits for longest, or keeps it.
    fn pass_on(&mut self) {
        match self.waiting.pop_front() {
            Some(ticket) => {
                self.tally.spawned += 1;
                self.called(&ticket, Given::Permit(Permit::new()));
            }
            None => self.workers = self.workers.saturating_sub(1),
        }
    }

    fn called(&mut self, ticket: &Ticket, given: Given) {
        let waited = ticket.since.elapsed();
        self.tally.waited += waited;
        self.tally.longest_wait = self.tally.longest_wait.max(waited);
        *ticket.lock() = Some(given);
        ticket.called.notify_one();
        if let Some(bell) = &ticket.bell {
            // It cannot be full: it is written once.
            let _ = bell.write(1);
        }
    }

    /// Lets go of the kind unused for longest when there is no room for another.
    fn make_room_for(&mut self, recipe: &Recipe) -> Vec<Recruit> {
        let known = self.shelves.iter().any(|shelf| *shelf.recipe == *recipe);
        if known || self.shelves.len() < SHELVES {
            return Vec::new();
        }
        let oldest = (0..self.shelves.len())
            .filter(|at| self.shelves.get(*at).is_some_and(|shelf| shelf.starting == 0))
            .min_by_key(|at| self.shelves.get(*at).map(|shelf| shelf.last_asked));
        match oldest {
            Some(at) => {
                let shelf = self.shelves.swap_remove(at);
                self.tally.retired += shelf.spares.len() as u64;
                shelf.spares
            }
            None => Vec::new(),
        }
    }
}

fn shelf<'s>(shelves: &'s mut Vec<Shelf>, recipe: &Arc<Recipe>, now: Instant) -> &'s mut Shelf {
    let at = shelves.iter().position(|shelf| shelf.recipe == *recipe).unwrap_or_else(|| {
        let recipe = recipe.clone();
        shelves.push(Shelf {
            recipe,
            spares: Vec::new(),
            starting: 0,
            opened: 0,
            last_asked: now,
            rest_until: None,
        });
        shelves.len() - 1
    });
    &mut shelves[at]
}

impl Ticket {
    fn lock(&self) -> MutexGuard<'_, Option<Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits on this thread until it is called, or for too long.
    fn wait(self: Arc<Self>) -> Result<Given, Unready> {
        let limit = Config::current().acquire;
        let patience = Patience::until(self.since.checked_add(limit), Arc::default(), self.since);
        loop {
            let slice = match patience.left() {
                Ok(left) => left,
                Err(stop) => return self.leave(stop),
            };
            let waited = self.called.wait_timeout_while(self.lock(), slice, |given| given.is_none());
            let (mut given, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if let Some(given) = given.take() {
                return Ok(given);
            }
            drop(given);
            if let Err(stop) = patience.check_signals() {
                return self.leave(stop);
            }
        }
    }

    /// What it was given, if it was called.
    pub(crate) fn take(&self) -> Option<Acquired> {
        self.lock().take().map(|given| match given {
            Given::Permit(permit) => Acquired::Permit(permit),
            Given::Spare(spare) => Acquired::Spare(spare),
        })
    }

    /// What becomes readable when it is called; -1 for one that waits on a thread.
    pub(crate) fn bell(&self) -> RawFd {
        self.bell.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Leaves the queue: too late, or no longer interested.
    fn leave(self: Arc<Self>, stop: Stop) -> Result<Given, Unready> {
        let given = POOL.get().give_up(&self);
        match (stop, given) {
            // It came at the last moment.
            (Stop::Deadline, Some(given)) => Ok(given),
            (Stop::Deadline, None) => Err(self.exhausted()),
            (other, _) => Err(other.into()),
        }
    }

    /// Leaves the queue of an event loop.
    pub(crate) fn cancel(self: Arc<Self>) {
        drop(POOL.get().give_up(&self));
    }

    pub(crate) fn exhausted(&self) -> Unready {
        Unready::Exhausted { most: Config::current().max_workers, waited: self.since.elapsed().as_secs_f64() }
    }

    /// When it has waited for too long.
    pub(crate) fn patience(&self) -> Duration {
        Config::current().acquire.saturating_sub(self.since.elapsed())
    }
}

thread_local! {
    /// Held by the thread that forks while it does.
    static HELD: RefCell<Option<MutexGuard<'static, State>>> = const { RefCell::new(None) };
}

/// Before a fork: nobody is in the middle of changing anything.
pub(crate) fn hold() {
    let guard = POOL.get().lock();
    HELD.replace(Some(guard));
}

/// After it, in the parent.
pub(crate) fn release() {
    HELD.replace(None);
}

/// After it, in the child: its copies of the pipes of the parent's workers lead nowhere, so that these see the end of
/// their host. Frees nothing. The lock stays with this thread: nobody in the child wants the parent's pool.
pub(crate) fn let_go() {
    HELD.with_borrow(|held| {
        for ends in held.iter().flat_map(|state| &state.ends).filter_map(Weak::upgrade) {
            ends.let_go();
        }
    });
}

/// Later in the child: gives back its copies of the spares.
pub(crate) fn drop_copies() {
    let Some(mut guard) = HELD.take() else { return };
    let copies: Vec<Recruit> =
        guard.shelves.iter_mut().flat_map(|shelf| std::mem::take(&mut shelf.spares)).collect();
    drop(guard);
    drop(copies);
}

/// Remembers the pipes of a worker for the children of this process.
pub(crate) fn remember(ends: &Arc<Ends>) {
    let mut state = POOL.get().lock();
    let state = &mut *state;
    if state.ends.len() >= 2 * state.workers + KEPT_ENDS {
        state.ends.retain(|ends| ends.strong_count() > 0);
    }
    state.ends.push(Arc::downgrade(ends));
}
