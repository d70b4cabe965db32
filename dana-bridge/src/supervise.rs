//! What happens to workers while no call is looking at them: one thread, started with the first
//! worker and ended soon after the last, that takes the status of those that die, empties their
//! standard error, ends turns whose caller is stuck elsewhere, and starts spares for the pool, one at a time.
//!
//! The rule: no call waits for this thread, except to hear that it has let go of a dead worker. It looks for new workers
//! now and then and is not woken for them: most sessions are over before, and cost it nothing. Left out: the deadline of
//! a call, which the call itself keeps to the millisecond.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::pool::{self, Permit};
use crate::recruit::{Candidate, Purpose, Recipe, Recruit, Unready, startup_patience};
use crate::stop::Stop;
use crate::sys::{PerProcess, queue_end, queue_owned, queue_stderr};
use crate::worker::{Watched, Why, Worker};

/// How often new workers, deadlines and spares are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How many of these looks that find no worker the thread stays for: starting it costs as much as a worker.
const LINGER: u32 = 20;
/// How far beyond its deadline a turn may be before it is ended from here.
const GRACE: Duration = Duration::from_millis(250);
/// How long the thread may take to look at its orders.
const SETTLING: Duration = Duration::from_secs(2);

/// New workers after which those are looked for that are over already.
const MANY: usize = 256;

/// Why nothing can be supervised. The worker at hand is not in use yet and can be given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuperviseError {
    #[error("the supervisor could not be started: {0}")]
    Start(#[from] std::io::Error),
}

static POST: PerProcess<Mutex<Posts>> = PerProcess::new();

#[derive(Debug, Default)]
struct Posts {
    current: Option<Post>,
    /// One that has left, and only has to give back its event queue.
    left: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Post {
    orders: UnboundedSender<Order>,
    /// Workers that were not looked at yet.
    fresh: Vec<Fresh>,
    thread: JoinHandle<()>,
}

/// A worker that the thread may hold, unless somebody has seen to everything before.
#[derive(Debug)]
struct Fresh {
    worker: Weak<Worker>,
    watched: Arc<Watched>,
    /// The worker, once nobody else has it.
    left: Option<Arc<Worker>>,
}

#[derive(Debug)]
enum Order {
    /// Spares may be wanted.
    Fill,
    /// End the thread if it has no worker, and say so.
    Settle(SyncSender<()>),
    /// End every worker, these too, then the thread.
    Finish(Vec<Fresh>),
}

/// Watches a worker until it has ended.
pub(crate) fn watch(worker: &Arc<Worker>) -> Result<(), SuperviseError> {
    let mut post = post();
    let running = match &mut post.current {
        Some(running) => running,
        none => none.insert(start()?),
    };
    running.fresh.push(Fresh { worker: Arc::downgrade(worker), watched: worker.watched(), left: None });
    // Those that are over are as good as forgotten.
    if running.fresh.len() > MANY {
        running.fresh.retain(|fresh| !fresh.watched.is_over());
    }
    Ok(())
}

/// Leaves a worker to the thread that was killed and is not waited for: its status is taken when it has ended.
pub(crate) fn leave_to(worker: Arc<Worker>) {
    let watched = worker.watched();
    if let Some(running) = &mut post().current
        && let Some(fresh) = running.fresh.iter_mut().find(|fresh| Arc::ptr_eq(&fresh.watched, &watched))
    {
        fresh.left = Some(worker);
    }
    // Otherwise it is over, or the thread holds it already.
}

/// Has the thread look whether spares are wanted, if there is one.
pub(crate) fn fill() {
    if let Some(running) = &post().current {
        // Unsent only to a thread that is ending, and has no worker any more.
        let _ = running.orders.send(Order::Fill);
    }
}

/// Waits for the end of the thread, if it has no worker any more.
pub(crate) fn settle() {
    let (answer, answered) = sync_channel(1);
    let asked = match &post().current {
        Some(running) => running.orders.send(Order::Settle(answer)).is_ok(),
        None => false,
    };
    if asked {
        // Without an answer the thread is busy, and stays.
        let _ = answered.recv_timeout(SETTLING);
    }
    join_left();
}

/// Waits until nothing is left of a thread that has left.
fn join_left() {
    let left = post().left.take();
    if let Some(thread) = left {
        // A panic in it was reported already.
        let _ = thread.join();
    }
}

/// Ends every worker of this process and the thread. For the end of the interpreter.
pub(crate) fn finish() {
    join_left();
    let Some(running) = post().current.take() else { return };
    if running.orders.send(Order::Finish(running.fresh)).is_ok() {
        // The thread ends as soon as its workers are gone; a panic in it was reported already.
        let _ = running.thread.join();
    }
}

fn post() -> MutexGuard<'static, Posts> {
    POST.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread with all signals blocked: the host's handlers never run in it.
fn start() -> Result<Post, SuperviseError> {
    let (orders, inbox) = unbounded_channel();
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).map_err(std::io::Error::from)?;
    let thread = thread::Builder::new().name("dana-supervisor".to_owned()).spawn(|| serve(runtime, inbox));
    before.thread_set_mask().map_err(std::io::Error::from)?;
    Ok(Post { orders, fresh: Vec::new(), thread: thread? })
}

#[expect(clippy::needless_pass_by_value, reason = "the thread owns its runtime and drops it at its end")]
fn serve(runtime: Runtime, mut inbox: UnboundedReceiver<Order>) {
    LocalSet::new().block_on(&runtime, async { supervise(&mut inbox).await });
}

async fn supervise(inbox: &mut UnboundedReceiver<Order>) {
    let mut workers: Vec<Weak<Worker>> = Vec::new();
    let mut watches = JoinSet::new();
    let mut fills = JoinSet::new();
    let mut idle = 0;
    let mut tick = interval_at(Instant::now() + TICK, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Fill) => {
                    if fills.is_empty() {
                        fills.spawn_local(keep_filled());
                    }
                }
                Some(Order::Settle(answer)) => {
                    take_in(&mut workers, &mut watches);
                    let left = watches.is_empty() && leave(inbox);
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(());
                    if left {
                        return;
                    }
                }
                Some(Order::Finish(fresh)) => {
                    hold(fresh, &mut workers, &mut watches);
                    return finish_all(&workers, &mut watches).await;
                }
                None => return finish_all(&workers, &mut watches).await,
            },
            Some(Ok(watched)) = watches.join_next() => {
                watched.end();
                workers.retain(|worker| worker.upgrade().is_some_and(|worker| worker.exit().is_none()));
                // It may have been a spare.
                pool::prune();
                if fills.is_empty() && pool::wants() {
                    fills.spawn_local(keep_filled());
                }
            }
            Some(_) = fills.join_next() => {}
            _ = tick.tick() => {
                take_in(&mut workers, &mut watches);
                pool::prune();
                for late in present(&workers).filter(|worker| worker.is_overdue(GRACE)) {
                    late.kill(Why::Deadline);
                }
                // A start that failed rests for a while, and nothing else may happen afterwards.
                if fills.is_empty() && pool::wants() {
                    fills.spawn_local(keep_filled());
                }
                idle = if watches.is_empty() && fills.is_empty() { idle + 1 } else { 0 };
                if idle > LINGER && leave(inbox) {
                    return;
                }
            }
        }
    }
}

/// Takes in the workers that came since the last look, and are not over yet.
fn take_in(workers: &mut Vec<Weak<Worker>>, watches: &mut JoinSet<Arc<Watched>>) {
    // Under the lock until all are held: a worker that is left to the thread meanwhile would be nobody's.
    if let Some(post) = &mut post().current {
        hold(std::mem::take(&mut post.fresh), workers, watches);
    }
}

fn hold(fresh: Vec<Fresh>, workers: &mut Vec<Weak<Worker>>, watches: &mut JoinSet<Arc<Watched>>) {
    for Fresh { worker, watched, left } in fresh {
        if !watched.begin() {
            continue;
        }
        match left.or_else(|| worker.upgrade()) {
            Some(present) => {
                workers.push(worker);
                watches.spawn_local(empty_until_ended(present));
            }
            None => watched.end(),
        }
    }
}

async fn finish_all(workers: &[Weak<Worker>], watches: &mut JoinSet<Arc<Watched>>) {
    present(workers).for_each(|worker| worker.kill(Why::Ended));
    while let Some(ended) = watches.join_next().await {
        let _ = ended.map(|watched| watched.end());
    }
}

/// Closes the post if nothing is under way: under its lock nobody can send an order or a worker.
fn leave(inbox: &UnboundedReceiver<Order>) -> bool {
    let mut post = post();
    let fresh = post.current.iter().flat_map(|post| &post.fresh).any(|fresh| !fresh.watched.is_over());
    if !inbox.is_empty() || fresh {
        return false;
    }
    post.left = post.current.take().map(|post| post.thread);
    true
}

fn present(workers: &[Weak<Worker>]) -> impl Iterator<Item = Arc<Worker>> + '_ {
    workers.iter().filter_map(Weak::upgrade)
}

/// Starts spares, one after the other, until none is wanted.
async fn keep_filled() {
    while let Some((recipe, permit)) = pool::next_wanted() {
        let started = start_spare(&recipe, permit).await;
        pool::park(&recipe, started);
        tokio::task::yield_now().await;
    }
}

async fn start_spare(recipe: &Arc<Recipe>, permit: Permit) -> Result<Recruit, Unready> {
    let mut candidate = Candidate::start(recipe, Purpose::Spare, permit)?;
    let patience = startup_patience(recipe);
    let copy = candidate.replies().try_clone().map_err(host)?;
    let replies = queue_owned(copy).map_err(host)?;
    while !candidate.step(&patience)? {
        let slice = patience.left()?;
        if let Ok(ready) = timeout(slice, replies.readable()).await {
            ready.map_err(host)?.clear_ready();
        }
        candidate.look_again();
    }
    candidate.ready()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn host(error: std::io::Error) -> Stop {
    Stop::Host(nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// Empties a worker's standard error until it has ended, and takes its status.
async fn empty_until_ended(worker: Arc<Worker>) -> Arc<Watched> {
    let watched = worker.watched();
    let end = queue_end(&worker);
    let words = queue_stderr(&worker);
    // No room in the event queue: the worker is used without this second look.
    let (Ok(end), Ok(words)) = (end, words) else { return watched };
    let mut speaking = true;
    while speaking {
        tokio::select! {
            _ = end.readable() => break,
            ready = words.readable() => match ready {
                Ok(mut ready) => {
                    speaking = worker.drain_stderr();
                    ready.clear_ready();
                }
                Err(_) => speaking = false,
            },
        }
    }
    if !speaking {
        let _ = end.readable().await;
    }
    worker.drain_stderr();
    worker.exit();
    watched
}
