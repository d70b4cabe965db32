//! The Python face of a session: arguments in, errors out, the GIL released while waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dana_wire::{
    FUNCTIONS, HANDLES, HostFunction, LimitKind, NAME_BYTES, PROTOCOL, Start, Target, ToHost, ToWorker, Usage,
};
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::asks::Asks;
use crate::converse::{Kind, LastWord, converse};
use crate::core::{Core, Room};
use crate::decode::Receiver;
use crate::encode::{Sender, Step, Unsendable};
use crate::ending::{self, Ending};
use crate::gate::Refused;
use crate::leaving::Inside;
use crate::limits::{Limits, seconds};
use crate::link::{Link, Memory, Pipe};
use crate::report::{Level, Report};
use crate::stderr::escape;
use crate::stop::Stop;
use crate::verify::verify;
use crate::watch::{Watch, out_of_turn};
use crate::wish::Wish;
use crate::worker::Worker;
use crate::{forks, leaving, raise, spawn, supervise, sys};

/// One session of one Dana interpreter: in a worker process (`spawn`) or here (`in_process`).
#[pyclass(module = "opendxa.dana._bridge", frozen, weakref)]
pub(crate) struct Session {
    core: Core,
    ask: Py<PyAny>,
    output: Py<PyAny>,
    log: Py<PyAny>,
}

/// What a turn is to do.
pub(crate) enum Task<'a, 'py> {
    Run { source: &'a str, filename: Option<&'a str> },
    Call { target: Target, positional: &'a Bound<'py, PyTuple>, keywords: Option<&'a Bound<'py, PyDict>> },
    Get { name: &'a str },
    Set { name: &'a str, value: &'a Bound<'py, PyAny> },
    Snapshot,
}

/// A function of the host: its name, and whether calls of it are answered later.
#[derive(FromPyObject)]
enum Registered {
    Named(String),
    Told(String, bool),
}

type Answered<'py> = (Bound<'py, PyAny>, Bound<'py, PyDict>);

impl Session {
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn ask(&self) -> &Py<PyAny> {
        &self.ask
    }

    pub(crate) fn output(&self) -> &Py<PyAny> {
        &self.output
    }

    pub(crate) fn log(&self) -> &Py<PyAny> {
        &self.log
    }

    /// One turn, from the request to its value. Without a timeout the session's own holds.
    pub(crate) fn turn<'py>(
        slf: &Bound<'py, Self>,
        task: &Task<'_, 'py>,
        timeout: Option<Duration>,
    ) -> PyResult<Answered<'py>> {
        let py = slf.py();
        let _inside = Inside::enter();
        let core = &slf.get().core;
        if !core.is_ours() {
            return Err(raise::closed(py, &foreign(core)));
        }
        let deadline = timeout.or(core.limits().wall_time).and_then(|time| Instant::now().checked_add(time));
        let mut inside = core.gate.enter(py, deadline).map_err(|refused| match refused {
            Refused::Python(error) => error,
            Refused::Reentered => raise::closed(py, &refused.to_string()),
            Refused::Deadline => {
                let late = Ending { message: refused.to_string(), ..Ending::of(ending::Kind::Deadline) };
                raise::ending(py, &late)
            }
        })?;
        // Taken out, so that a turn that does not end well leaves nothing behind to go on with.
        let Some(mut room) = inside.content().and_then(Option::take).filter(|_| !core.is_closed()) else {
            return Err(raise::closed(py, &core.over()));
        };
        let mut watch = Watch::new(slf.as_unbound(), deadline);
        core.set_deadline(deadline);
        let result = perform(slf, &mut room, &mut watch, task);
        core.set_deadline(None);
        let stop = match result {
            Ok(answer) => {
                if let Some(slot) = inside.content().filter(|_| !core.is_closed()) {
                    *slot = Some(room);
                }
                return Ok(answer);
            }
            Err(Unanswered::Kept(error)) => {
                if let Some(slot) = inside.content().filter(|_| !core.is_closed()) {
                    *slot = Some(room);
                }
                return Err(error);
            }
            Err(Unanswered::Over(error)) => {
                py.detach(|| {
                    drop(room);
                    core.close();
                });
                return Err(error);
            }
            Err(Unanswered::Stopped(stop)) => stop,
        };
        let position = std::mem::take(&mut watch.position);
        let ending = py.detach(|| {
            drop(room);
            core.end(&stop, position)
        });
        Err(match stop {
            Stop::Python(error) => error,
            Stop::Asks => raise::too_many_asks(py, core.limits().asks.unwrap_or(0), &ending.position),
            _ => raise::ending(py, &ending),
        })
    }

    fn build(
        py: Python<'_>,
        limits: &Bound<'_, PyDict>,
        functions: Vec<Registered>,
        ask: Py<PyAny>,
        output: Py<PyAny>,
        log: Py<PyAny>,
    ) -> PyResult<(Py<Session>, Start)> {
        let functions = checked(functions)?;
        if functions.len() > FUNCTIONS {
            return Err(too_many_functions());
        }
        let limits = Limits::from_dict(limits)?;
        let seed = sys::random().map_err(std::io::Error::from)?;
        let start = Start { limits: limits.of_interpreter(), seed, functions };
        let core = Core::new(limits, &start.functions);
        let session = Py::new(py, Session { core, ask, output, log })?;
        forks::remember(session.bind(py))?;
        Ok((session, start))
    }
}

/// Why a turn has no value.
enum Unanswered {
    /// The session goes on.
    Kept(PyErr),
    /// A limit ended the session.
    Over(PyErr),
    Stopped(Stop),
}

impl From<Stop> for Unanswered {
    fn from(stop: Stop) -> Self {
        Unanswered::Stopped(stop)
    }
}

fn perform<'py>(
    slf: &Bound<'py, Session>,
    room: &mut Room,
    watch: &mut Watch<'_>,
    task: &Task<'_, 'py>,
) -> Result<Answered<'py>, Unanswered> {
    let py = slf.py();
    let core = slf.get().core();
    let handles = core.handles().released(HANDLES);
    if !handles.is_empty() {
        let link = &mut *room.link;
        link.compose(ToWorker::Release { handles }).map_err(Stop::from)?;
        py.detach(|| link.dispatch(watch))?;
    }
    let functions = core.untold();
    if !functions.is_empty() {
        let link = &mut *room.link;
        link.compose(ToWorker::Register { functions }).map_err(Stop::from)?;
        py.detach(|| link.dispatch(watch))?;
    }
    let number = room.turn.wrapping_add(1);
    compose(slf, &mut *room.link, number, task).map_err(|error| Unanswered::Kept(error.raise(py)))?;
    watch.asks = Asks::of_turn(task.kind(), room.last_ask);
    let link = &mut *room.link;
    let word = py.detach(|| converse(link, watch, number));
    room.turn = number;
    room.last_ask = watch.asks.last();
    watch.asks.abandon(py);
    match word? {
        LastWord::Done(usage) => {
            let value = Receiver::new(room.link.payload(), slf, watch)?.value()?;
            let usage = usage_dict(py, usage).map_err(Stop::from)?;
            Ok((value, usage))
        }
        LastWord::Failed(mut fault, usage) => {
            // It may have failed of the refusal in a shape of its own.
            if watch.asks.exceed(core.limits().asks) {
                fault.limit = Some(LimitKind::Asks);
            }
            let over = matches!(
                fault.limit,
                Some(LimitKind::Steps | LimitKind::Memory | LimitKind::Output | LimitKind::Asks)
            );
            if over && fault.hint.is_none() {
                fault.hint = Some("raise or lift the limit; the session is over, open a new one".to_owned());
            }
            let behind = watch.asks.behind(&fault);
            let usage = usage_dict(py, usage).map_err(Stop::from)?;
            let error = raise::fault(py, &fault, behind, Some(usage));
            Err(if over { Unanswered::Over(error) } else { Unanswered::Kept(error) })
        }
    }
}

/// Functions as the interpreter is told of them.
fn checked(functions: Vec<Registered>) -> PyResult<Vec<HostFunction>> {
    let told = functions.into_iter().map(|function| match function {
        Registered::Named(name) => HostFunction { name, background: false },
        Registered::Told(name, background) => HostFunction { name, background },
    });
    told.map(|function| match function.name.len() {
        1..=NAME_BYTES => Ok(function),
        length => Err(PyValueError::new_err(format!(
            "a function's name has 1 to {NAME_BYTES} bytes, this one {length}"
        ))),
    })
    .collect()
}

fn too_many_functions() -> PyErr {
    PyValueError::new_err(format!("a session takes at most {FUNCTIONS} functions"))
}

fn compose<'py>(
    slf: &Bound<'py, Session>,
    link: &mut dyn Link,
    turn: u32,
    task: &Task<'_, 'py>,
) -> Result<(), Unsendable> {
    let header = task.header(turn)?;
    let mut sender = Sender::new(link.compose(header)?, slf);
    match task {
        Task::Call { positional, keywords, .. } => sender.arguments(positional, *keywords)?,
        Task::Set { value, .. } => {
            sender.value(value).map_err(|error| error.at(Step::Name("value".to_owned())))?;
        }
        Task::Run { .. } | Task::Get { .. } | Task::Snapshot => {}
    }
    sender.finish()
}

impl Task<'_, '_> {
    fn kind(&self) -> Kind {
        match self {
            Task::Run { .. } => Kind::Run,
            Task::Call { .. } => Kind::Call,
            Task::Get { .. } => Kind::Get,
            Task::Set { .. } => Kind::Set,
            Task::Snapshot => Kind::Snapshot,
        }
    }

    fn header(&self, turn: u32) -> Result<ToWorker, Unsendable> {
        Ok(match self {
            Task::Run { source, filename } => {
                ToWorker::Run { turn, filename: filename.map(str::to_owned), source: (*source).to_owned() }
            }
            Task::Call { target, positional, keywords } => ToWorker::Call {
                turn,
                target: target.clone(),
                positional: u32::try_from(positional.len()).unwrap_or(u32::MAX),
                keywords: match keywords {
                    None => Vec::new(),
                    Some(keywords) => keywords
                        .keys()
                        .iter()
                        .map(|name| name.extract())
                        .collect::<PyResult<Vec<String>>>()?,
                },
            },
            Task::Get { name } => ToWorker::Get { turn, name: (*name).to_owned() },
            Task::Set { name, .. } => ToWorker::Set { turn, name: (*name).to_owned() },
            Task::Snapshot => ToWorker::Snapshot { turn },
        })
    }
}

fn usage_dict(py: Python<'_>, usage: Usage) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "steps"), usage.steps)?;
    dict.set_item(intern!(py, "memory_peak"), usage.memory_peak)?;
    dict.set_item(intern!(py, "output_bytes"), usage.output_bytes)?;
    dict.set_item(intern!(py, "asks"), usage.asks)?;
    Ok(dict)
}

fn foreign(core: &Core) -> String {
    format!(
        "the session belongs to process {}, and this is process {}, forked from it: open a session here",
        core.process(),
        sys::process()
    )
}

/// Why a worker never became a session.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error(transparent)]
    Spawn(#[from] spawn::SpawnError),
    #[error(transparent)]
    Supervise(#[from] supervise::SuperviseError),
    #[error("the worker {0} is of another build than this package ({ours}): reinstall the package", ours = dana_wire::BUILD)]
    Build(String),
    #[error("level '{reached}' is reached, '{wanted}' is wanted: {shortfall}")]
    Level { reached: &'static str, wanted: &'static str, shortfall: String },
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// Starts a worker, believes the kernel about it, and only then begins the session.
fn establish(
    session: &Py<Session>,
    path: &Path,
    start: Start,
    wish: &Wish,
    time: Duration,
) -> Result<(), Unready> {
    let core = session.get().core();
    let mut watch = Watch::new(session, Instant::now().checked_add(time));
    let [memory, cpu] = core.limits().of_kernel();
    let numbers = [PROTOCOL.into(), sys::process().into(), memory, cpu];
    let spawned = spawn::start(path, numbers, wish, core.limits().of_group())?;
    let worker = Arc::new(Worker::new(spawned.pid, spawned.pidfd, spawned.stderr, spawned.cgroup));
    core.set_worker(worker.clone());
    supervise::watch(&worker)?;
    let mut link = Pipe::new(worker.clone(), spawned.requests, spawned.replies, core.ends.clone());
    let hello = match link.receive(&mut watch)? {
        ToHost::Hello(hello) => hello,
        other => return Err(out_of_turn(&other).into()),
    };
    if hello.protocol != PROTOCOL || hello.build != dana_wire::BUILD {
        return Err(Unready::Build(path.display().to_string()));
    }
    let report = verify(&worker, wish, &spawned.failures, &hello.layers).ok_or(Stop::Gone)?;
    if report.level < wish.least {
        let (reached, wanted) = (report.level.name(), wish.least.name());
        return Err(Unready::Level { reached, wanted, shortfall: report.shortfall() });
    }
    core.set_report(report);
    begin(core, Box::new(link), start, &mut watch)?;
    Ok(())
}

/// Tells the interpreter how it is set up, and opens the session for turns.
fn begin(core: &Core, mut link: Box<dyn Link>, start: Start, watch: &mut Watch<'_>) -> Result<(), Stop> {
    link.compose(ToWorker::Start(start))?;
    link.dispatch(watch)?;
    match link.receive(watch)? {
        ToHost::Started if link.is_quiet() => {}
        other => return Err(out_of_turn(&other)),
    }
    if let Some(mut inside) = core.gate.try_enter()
        && let Some(room) = inside.content()
    {
        *room = Some(Room { link, turn: 0, last_ask: None });
    }
    Ok(())
}

/// Signals of a program that is not whole, such as a truncated one: a broken installation, and no reason to go on
/// without a sandbox.
const DAMAGED: [i32; 3] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL];

fn raise_unready(py: Python<'_>, core: &Core, unready: Unready, time: Duration) -> PyErr {
    let text = escape(&unready.to_string());
    match unready {
        Unready::Stopped(Stop::Python(error)) => error,
        Unready::Spawn(_) | Unready::Supervise(_) | Unready::Build(_) => raise::resource(py, &text),
        Unready::Level { .. } => {
            raise::ending(py, &Ending { message: text, ..Ending::of(ending::Kind::Isolation) })
        }
        Unready::Stopped(stop) => {
            let ended = py.detach(|| core.end(&stop, crate::watch::Position::default()));
            let message = match stop {
                Stop::Deadline => format!("the worker was not ready within {} s", time.as_secs_f64()),
                Stop::Gone if ended.signal.is_some_and(|signal| DAMAGED.contains(&signal)) => {
                    let text =
                        format!("the worker program is damaged ({}): reinstall the package", how(&ended));
                    return raise::resource(py, &text);
                }
                Stop::Gone => format!("the worker ended before it was ready: {}", how(&ended)),
                _ => return raise::ending(py, &ended),
            };
            raise::ending(py, &Ending { message, kind: ending::Kind::Isolation, ..ended })
        }
    }
}

/// What is known of a worker that did not even get ready.
fn how(ended: &Ending) -> String {
    let mut text = match (ended.signal, &ended.message) {
        (Some(signal), _) => format!("ended by signal {signal}"),
        (None, message) => message.clone(),
    };
    let words = ended.stderr.trim();
    if !words.is_empty() {
        text.push_str("; it wrote: ");
        text.push_str(words);
    }
    text
}

#[pyo3::pyfunction]
fn finish_workers(py: Python<'_>) {
    leaving::begin();
    py.detach(|| {
        supervise::finish();
        leaving::wait();
    });
}

/// Sees to it that no worker outlives the interpreter that started it.
fn finish_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: PyOnceLock<()> = PyOnceLock::new();
    REGISTERED.get_or_try_init(py, || {
        let finish = pyo3::wrap_pyfunction!(finish_workers, py)?;
        py.import("atexit")?.call_method1("register", (finish,)).map(drop)
    })?;
    Ok(())
}

fn level_of(name: &str) -> PyResult<Level> {
    Level::named(name).ok_or_else(|| PyValueError::new_err(format!("there is no isolation level '{name}'")))
}

fn timeout_of(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    timeout.map(seconds).transpose()
}

#[pymethods]
impl Session {
    /// Starts `worker` and begins a session in it. Every layer up to `level` is tried; raises unless at least
    /// `min_level` is in force.
    #[staticmethod]
    #[pyo3(signature = (worker, *, limits, functions, ask, output, log, startup_timeout, level = "landlocked",
                        min_level = "filtered", harden_speculation = false))]
    #[expect(clippy::too_many_arguments, reason = "by keyword in Python")]
    fn spawn(
        py: Python<'_>,
        worker: &str,
        limits: &Bound<'_, PyDict>,
        functions: Vec<Registered>,
        ask: Py<PyAny>,
        output: Py<PyAny>,
        log: Py<PyAny>,
        startup_timeout: &Bound<'_, PyAny>,
        level: &str,
        min_level: &str,
        harden_speculation: bool,
    ) -> PyResult<Py<Session>> {
        let time = seconds(startup_timeout)?;
        let wish = Wish::new(level_of(level)?, level_of(min_level)?, harden_speculation);
        finish_at_exit(py)?;
        let _inside = Inside::enter();
        let (session, start) = Session::build(py, limits, functions, ask, output, log)?;
        let ready = py.detach(|| establish(&session, Path::new(worker), start, &wish, time));
        let core = session.get().core();
        match ready {
            Ok(()) => Ok(session),
            Err(unready) => {
                let error = raise_unready(py, core, unready, time);
                py.detach(|| core.close());
                Err(error)
            }
        }
    }

    /// Begins a session in this process. It is limited, but not isolated.
    #[staticmethod]
    #[pyo3(signature = (*, limits, functions, ask, output, log))]
    fn in_process(
        py: Python<'_>,
        limits: &Bound<'_, PyDict>,
        functions: Vec<Registered>,
        ask: Py<PyAny>,
        output: Py<PyAny>,
        log: Py<PyAny>,
    ) -> PyResult<Py<Session>> {
        finish_at_exit(py)?;
        let (session, start) = Session::build(py, limits, functions, ask, output, log)?;
        let core = session.get().core();
        core.set_report(Report::of_this_process());
        let begun =
            py.detach(|| begin(core, Box::new(Memory::default()), start, &mut Watch::new(&session, None)));
        match begun {
            Ok(()) => Ok(session),
            Err(stop) => Err(raise::ending(py, &core.end(&stop, crate::watch::Position::default()))),
        }
    }

    /// Runs a program in the session's scope. Returns its value and what it used.
    #[pyo3(signature = (source, filename = None, timeout = None))]
    fn run<'py>(
        slf: &Bound<'py, Self>,
        source: &Bound<'py, PyString>,
        filename: Option<&str>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Answered<'py>> {
        let source = source.to_str().map_err(|_| {
            raise::conversion(slf.py(), "a program with a lone surrogate cannot be run", None)
        })?;
        Session::turn(slf, &Task::Run { source, filename }, timeout_of(timeout)?)
    }

    /// Calls a function by its name or its handle. Returns its value and what it used.
    #[pyo3(signature = (target, args, kwargs = None, timeout = None))]
    fn call<'py>(
        slf: &Bound<'py, Self>,
        target: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Answered<'py>> {
        let target = if let Ok(name) = target.extract::<String>() {
            Target::Name(name)
        } else if let Ok(handle) = target.extract::<u64>() {
            Target::Handle(handle)
        } else {
            let kind = target.get_type().name()?;
            return Err(PyTypeError::new_err(format!("Expected str, got {kind} at argument 'target'")));
        };
        let task = Task::Call { target, positional: args, keywords: kwargs };
        Session::turn(slf, &task, timeout_of(timeout)?)
    }

    /// Reads a variable.
    #[pyo3(signature = (name, timeout = None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        name: &str,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(Session::turn(slf, &Task::Get { name }, timeout_of(timeout)?)?.0)
    }

    /// Writes a variable.
    #[pyo3(signature = (name, value, timeout = None))]
    fn set<'py>(
        slf: &Bound<'py, Self>,
        name: &str,
        value: &Bound<'py, PyAny>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        Session::turn(slf, &Task::Set { name, value }, timeout_of(timeout)?).map(drop)
    }

    /// Reads all variables that can be sent: a dict by scope of dicts by name.
    #[pyo3(signature = (timeout = None))]
    fn snapshot<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(Session::turn(slf, &Task::Snapshot, timeout_of(timeout)?)?.0)
    }

    /// Lets programs call more functions, from the next turn on; allowed at any time.
    fn register(&self, functions: Vec<Registered>) -> PyResult<()> {
        if self.core.register(checked(functions)?) { Ok(()) } else { Err(too_many_functions()) }
    }

    /// Ends the session and its worker. Idempotent; allowed from any thread at any time.
    fn close(&self, py: Python<'_>) {
        let _inside = Inside::enter();
        py.detach(|| self.core.close());
    }

    /// True while a live worker of this process, verified at `filtered` or better, serves it.
    #[getter]
    fn isolated(&self) -> bool {
        self.core.is_isolated()
    }

    /// The live worker's process id; None if there is none.
    #[getter]
    fn pid(&self) -> Option<i32> {
        self.core.worker().map(|worker| worker.pid)
    }

    /// True while the session can be used.
    #[getter]
    fn alive(&self) -> bool {
        let in_process = self.core.report().is_some_and(|report| report.level == Level::None);
        self.core.is_ours() && !self.core.is_closed() && (in_process || self.core.worker().is_some())
    }

    /// The isolation report: `level`, and `layers` with what is in force and by what evidence.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match self.core.report() {
            Some(report) => report.to_dict(py),
            None => Report::of_this_process().to_dict(py),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.ask)?;
        visit.call(&self.output)?;
        visit.call(&self.log)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // No waiting with the GIL held, unless the interpreter is at its end and there is none.
        if Python::try_attach(|py| py.detach(|| self.core.close())).is_none() {
            self.core.close();
        }
    }
}
