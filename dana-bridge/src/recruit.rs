//! From a started process to a worker that is locked, verified and set up, and was never used.
//!
//! The rule: what the worker says is compared with what the kernel says before anything else is sent, and a worker that
//! is given up on is killed at once. The steps are the same whether the thread of a call waits for them, an event loop
//! or the supervisor. Left out: who gets the worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dana_wire::{LayerClaim, PROTOCOL, SessionLimits, Start, ToHost, ToWorker};

use crate::ending::{Ending, of_stop};
use crate::link::{Ends, Link, Pipe};
use crate::patience::Patience;
use crate::pool::{self, Permit};
use crate::report::Report;
use crate::stop::Stop;
use crate::verify::verify;
use crate::watch::out_of_turn;
use crate::wish::{Failure, Wish};
use crate::worker::{Why, Worker};
use crate::{forks, spawn, supervise, sys};

/// What workers have in common that may stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) path: PathBuf,
    pub(crate) wish: Wish,
    /// Bytes and seconds of processor time, kept by the kernel; 0 for none.
    pub(crate) of_kernel: [u64; 2],
    /// Bytes of its control group.
    pub(crate) of_group: Option<u64>,
    pub(crate) of_interpreter: SessionLimits,
    /// How long the start may take.
    pub(crate) startup: Duration,
}

/// Why a worker never became ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    #[error(transparent)]
    Spawn(#[from] spawn::SpawnError),
    #[error(transparent)]
    Supervise(#[from] supervise::SuperviseError),
    #[error("the worker {0} is of another build than this package ({ours}): reinstall the package", ours = dana_wire::BUILD)]
    Build(String),
    #[error("level '{reached}' is reached, '{wanted}' is wanted: {shortfall}")]
    Level { reached: &'static str, wanted: &'static str, shortfall: String },
    #[error("all {most} workers that may exist at once (PoolConfig.max_workers) were busy for {waited:.1} s")]
    Exhausted { most: usize, waited: f64 },
    #[error("{0}")]
    Stopped(Stop, Box<Ending>),
    /// It stopped; how it ended is not looked at yet.
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// Kills its worker when dropped, unless it was let go.
#[derive(Debug)]
struct Leash(Option<Arc<Worker>>);

impl Leash {
    fn worker(&self) -> Result<&Arc<Worker>, Stop> {
        self.0.as_ref().ok_or(Stop::Gone)
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(worker) = self.0.take() {
            worker.kill(Why::Ended);
            supervise::leave_to(worker);
        }
    }
}

/// What a worker is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody waits for it.
    Session,
    /// It will wait for somebody, and has time to go through its paces before.
    Spare,
}

/// A worker on its way.
pub(crate) struct Candidate {
    recipe: Arc<Recipe>,
    purpose: Purpose,
    begun: Instant,
    leash: Leash,
    link: Pipe,
    failures: Vec<Failure>,
    report: Option<Report>,
    /// Turns it was given.
    turns: u32,
}

/// A worker that is ready.
pub(crate) struct Recruit {
    leash: Leash,
    link: Pipe,
    report: Report,
    turns: u32,
}

/// What a spare runs beforehand, so that the pages that most programs need are there: it takes in text, calls, builds
/// values and shows them, and leaves nothing behind in the session.
const REHEARSAL: &str =
    r#"(lambda x, y=2 :: [x, {"k": x * y}, f"{x} {y}", "a,b".split(","), len([x, y])])(1)"#;
/// Sessions with less than this are left alone beforehand.
const REHEARSAL_STEPS: u64 = 1000;
const REHEARSAL_MEMORY: u64 = 1 << 20;

impl Candidate {
    /// Starts a process.
    pub(crate) fn start(
        recipe: &Arc<Recipe>,
        purpose: Purpose,
        permit: Permit,
    ) -> Result<Candidate, Unready> {
        let begun = Instant::now();
        let [memory, cpu] = recipe.of_kernel;
        let numbers = [PROTOCOL.into(), sys::process().into(), memory, cpu];
        let starting = forks::Starting::begin();
        let spawned = spawn::start(&recipe.path, numbers, &recipe.wish, recipe.of_group)?;
        let worker = Worker::new(spawned.pid, spawned.pidfd, spawned.stderr, spawned.cgroup, permit);
        let worker = Arc::new(worker);
        let leash = Leash(Some(worker.clone()));
        supervise::watch(&worker)?;
        let link = Pipe::new(worker, spawned.requests, spawned.replies, Arc::new(Ends::default()));
        pool::remember(&link.ends());
        // A child of a fork knows the pipes from here on.
        drop(starting);
        let recipe = recipe.clone();
        let failures = spawned.failures;
        Ok(Candidate { recipe, purpose, begun, leash, link, failures, report: None, turns: 0 })
    }

    /// Goes on as far as it goes without waiting; true when the worker is ready.
    pub(crate) fn step(&mut self, patience: &Patience) -> Result<bool, Unready> {
        while let Some(message) = self.link.poll()? {
            match (&self.report, message) {
                (None, ToHost::Hello(hello)) => {
                    if hello.protocol != PROTOCOL || hello.build != dana_wire::BUILD {
                        return Err(Unready::Build(self.recipe.path.display().to_string()));
                    }
                    self.report = Some(self.judge(&hello.layers)?);
                    self.set_up(patience)?;
                }
                (Some(_), ToHost::Started) if self.link.is_quiet() => {
                    if self.purpose == Purpose::Session || !self.recipe.has_room() {
                        return Ok(true);
                    }
                    self.turns = 1;
                    let source = REHEARSAL.to_owned();
                    self.send(&ToWorker::Run { turn: self.turns, filename: None, source }, patience)?;
                }
                (Some(_), ToHost::Done { turn, .. })
                    if turn == self.turns && self.turns > 0 && self.link.is_quiet() =>
                {
                    return Ok(true);
                }
                (_, other) => return Err(out_of_turn(&other).into()),
            }
        }
        Ok(false)
    }

    /// Believes the kernel about it.
    fn judge(&self, claims: &[LayerClaim]) -> Result<Report, Unready> {
        let wish = &self.recipe.wish;
        let report = verify(self.leash.worker()?, &self.recipe, &self.failures, claims).ok_or(Stop::Gone)?;
        if report.level < wish.least {
            let (reached, wanted) = (report.level.name(), wish.least.name());
            return Err(Unready::Level { reached, wanted, shortfall: report.shortfall() });
        }
        Ok(report)
    }

    fn set_up(&mut self, patience: &Patience) -> Result<(), Stop> {
        let seed = sys::random().map_err(Stop::Host)?;
        let start = Start { limits: self.recipe.of_interpreter.clone(), seed, functions: Vec::new() };
        self.send(&ToWorker::Start(start), patience)
    }

    fn send(&mut self, message: &ToWorker, patience: &Patience) -> Result<(), Stop> {
        self.link.begin(message)?;
        self.link.start_sending(patience)
    }

    /// Waits until [`Candidate::step`] may get further.
    pub(crate) fn wait(&mut self, patience: &Patience) -> Result<(), Stop> {
        self.link.wait_for(patience, None)
    }

    /// Something may have come.
    pub(crate) fn look_again(&mut self) {
        self.link.look_again();
    }

    /// What to wait for elsewhere: it becomes readable.
    pub(crate) fn replies(&self) -> &std::os::fd::OwnedFd {
        self.link.replies()
    }

    /// The worker, once [`Candidate::step`] said that it is ready.
    pub(crate) fn ready(self) -> Result<Recruit, Unready> {
        let Candidate { begun, leash, link, report, turns, .. } = self;
        pool::count_start(begun.elapsed());
        Ok(Recruit { leash, link, report: report.ok_or(Stop::Gone)?, turns })
    }

    /// Gives up on it, and waits until it is gone.
    pub(crate) fn give_up(mut self, why: Unready) -> Unready {
        let Some(worker) = self.leash.0.take() else { return why };
        match why {
            Unready::Stop(stop) => {
                let ending = end(&worker, &stop, Some(self.recipe.startup), None);
                Unready::Stopped(stop, Box::new(ending))
            }
            other => {
                worker.finish(Why::Ended);
                other
            }
        }
    }
}

/// Waits for a candidate on the thread of a call.
pub(crate) fn see_through(mut candidate: Candidate, patience: &Patience) -> Result<Recruit, Unready> {
    loop {
        match candidate.step(patience) {
            Ok(true) => return candidate.ready(),
            Ok(false) => {}
            Err(why) => return Err(candidate.give_up(why)),
        }
        if let Err(stop) = candidate.wait(patience) {
            return Err(candidate.give_up(stop.into()));
        }
    }
}

/// Until when a start may take.
pub(crate) fn startup_patience(recipe: &Recipe) -> Patience {
    let now = Instant::now();
    Patience::until(now.checked_add(recipe.startup), Arc::default(), now)
}

/// Longest wait for a worker that has closed its pipes to end by itself.
const ENDING: Duration = Duration::from_secs(1);

/// How a worker ended because of `stop`, once nothing is left of it.
pub(crate) fn end(worker: &Worker, stop: &Stop, time: Option<Duration>, cpu: Option<Duration>) -> Ending {
    if matches!(stop, Stop::Gone) {
        worker.wait(ENDING);
    }
    let exit = worker.finish(Why::Ended);
    of_stop(stop, Some((worker, exit)), time, cpu)
}

impl Recruit {
    pub(crate) fn is_alive(&self) -> bool {
        self.leash.0.as_ref().is_some_and(|worker| worker.is_alive())
    }

    /// Ends it, and waits until nothing is left of it.
    pub(crate) fn end(self) {
        if let Some(hired) = self.hire() {
            drop(hired.link);
            hired.worker.finish(Why::Ended);
        }
    }

    /// What there is to take over. Whoever takes it is to end it.
    pub(crate) fn hire(mut self) -> Option<Hired> {
        let worker = self.leash.0.take()?;
        Some(Hired { worker, link: self.link, report: self.report, turns: self.turns })
    }
}

/// A worker that somebody has taken over.
pub(crate) struct Hired {
    pub(crate) worker: Arc<Worker>,
    pub(crate) link: Pipe,
    pub(crate) report: Report,
    pub(crate) turns: u32,
}

impl Recipe {
    /// Whether a session has room for a rehearsal.
    fn has_room(&self) -> bool {
        let limits = &self.of_interpreter;
        limits.steps.is_none_or(|steps| steps >= REHEARSAL_STEPS)
            && limits.memory.is_none_or(|memory| memory >= REHEARSAL_MEMORY)
            && limits.depth > 4
    }
}
