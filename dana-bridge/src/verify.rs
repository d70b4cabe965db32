//! Whether a worker is as locked as it says: the host's own reading of the kernel's facts.
//!
//! The rule: what can be read is read, and the worker's word counts only where nothing can be. All
//! of it happens before the first byte of user code is sent. The process descriptor is looked at
//! after reading, so what was read belongs to our worker and not to a later process of its number.

use std::fs;
use std::os::unix::fs::MetadataExt;

use dana_wire::LayerClaim;

use crate::report::{Evidence, LAYERS, Layer, Level, Report};
use crate::worker::Worker;

/// The facts of one process.
struct Facts {
    status: String,
    limits: String,
    own_filters: u64,
    /// Owner of its files there, and whether its environment is kept from us.
    owner: Option<u32>,
    environment_unreadable: bool,
}

/// How to tell whether a layer is in force: what shows it, or why it is not.
type Check = fn(&Facts) -> Result<Shown, String>;

/// Something a check found.
enum Shown {
    /// The kernel says so.
    Kernel(String),
    /// The kernel does not tell this host; the worker's claim has to do.
    Untold,
}

/// What the host reads itself.
const CHECKS: &[(&str, Check)] = &[
    ("process", is_child),
    ("threads", single_threaded),
    ("bounding_set", |facts| zero(facts, &["CapBnd"])),
    ("capabilities", |facts| zero(facts, &["CapInh", "CapPrm", "CapEff", "CapAmb"])),
    ("dumpable", not_dumpable),
    ("no_new_privs", |facts| equals(facts, "NoNewPrivs", "1")),
    ("rlimits", limited),
    ("seccomp", filtered),
];

/// The layers without which a worker is not isolated.
const BASE: &[&str] =
    &["process", "threads", "capabilities", "dumpable", "no_new_privs", "rlimits", "seccomp"];

/// Compares a worker's claims with the kernel's facts. `None` if the worker is gone.
pub(crate) fn verify(worker: &Worker, claims: &[LayerClaim]) -> Option<Report> {
    let facts = read(worker.pid);
    let layers: Vec<Layer> = LAYERS.iter().map(|name| judge(name, facts.as_ref(), claims)).collect();
    let unknown = |claim: &&LayerClaim| !LAYERS.contains(&claim.name.as_str());
    let further = claims.iter().filter(unknown).map(|claim| said(&claim.name, claim));
    let layers: Vec<Layer> = layers.into_iter().chain(further).collect();
    worker.is_alive().then(|| Report { level: level(&layers), layers })
}

fn level(layers: &[Layer]) -> Level {
    let holds = |wanted: &str| layers.iter().any(|layer| layer.name == wanted && layer.in_force);
    match () {
        () if !holds("process") => Level::None,
        () if !BASE.iter().all(|name| holds(name)) => Level::Process,
        () if !holds("landlock") => Level::Filtered,
        () => Level::Landlocked,
    }
}

fn judge(name: &str, facts: Result<&Facts, &String>, claims: &[LayerClaim]) -> Layer {
    if let Some((_, check)) = CHECKS.iter().find(|(known, _)| *known == name) {
        match facts.map_err(String::clone).and_then(check) {
            Ok(Shown::Kernel(value)) => return layer(name, Evidence::Kernel, value, String::new()),
            Err(reason) => return layer(name, Evidence::None, String::new(), reason),
            Ok(Shown::Untold) => {}
        }
    }
    match claims.iter().find(|claim| claim.name == name) {
        Some(claim) => said(name, claim),
        None => layer(name, Evidence::None, String::new(), "the worker says nothing of it".to_owned()),
    }
}

fn said(name: &str, claim: &LayerClaim) -> Layer {
    if claim.applied {
        return layer(name, Evidence::Worker, claim.detail.clone(), String::new());
    }
    layer(name, Evidence::None, String::new(), claim.detail.clone())
}

fn layer(name: &str, evidence: Evidence, value: String, reason: String) -> Layer {
    Layer { name: name.to_owned(), in_force: evidence != Evidence::None, evidence, value, reason }
}

fn read(pid: i32) -> Result<Facts, String> {
    let file =
        |path: String| fs::read_to_string(&path).map_err(|error| format!("{path} cannot be read: {error}"));
    // Of this thread: the worker inherited the filters of the thread that started it.
    let own = file("/proc/thread-self/status".to_owned())?;
    let own_filters = number(field(&own, "Seccomp_filters").unwrap_or("0"));
    Ok(Facts {
        status: file(format!("/proc/{pid}/status"))?,
        limits: file(format!("/proc/{pid}/limits"))?,
        own_filters,
        owner: fs::metadata(format!("/proc/{pid}/mem")).ok().map(|found| found.uid()),
        environment_unreadable: fs::File::open(format!("/proc/{pid}/environ")).is_err(),
    })
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn equals(facts: &Facts, name: &str, wanted: &str) -> Result<Shown, String> {
    match field(&facts.status, name) {
        Some(found) if found == wanted => Ok(Shown::Kernel(format!("{name} {found}"))),
        Some(found) => Err(format!("{name} is {found}, not {wanted}")),
        None => Err(format!("this kernel does not show {name}")),
    }
}

fn zero(facts: &Facts, names: &[&str]) -> Result<Shown, String> {
    for name in names {
        let found = field(&facts.status, name).ok_or_else(|| format!("this kernel does not show {name}"))?;
        if !found.bytes().all(|digit| digit == b'0') {
            return Err(format!("{name} is {found}"));
        }
    }
    Ok(Shown::Kernel(format!("{} 0", names.join(", "))))
}

fn is_child(facts: &Facts) -> Result<Shown, String> {
    equals(facts, "PPid", &std::process::id().to_string())
}

fn single_threaded(facts: &Facts) -> Result<Shown, String> {
    equals(facts, "Threads", "1")
}

/// A process that cannot be traced belongs to root under `/proc`, whoever its user is. Where that
/// user is root, everything belongs to root and root may read everything: the kernel does not tell.
fn not_dumpable(facts: &Facts) -> Result<Shown, String> {
    match facts.owner {
        None => Err("its owner under /proc cannot be read".to_owned()),
        Some(0) if nix::unistd::geteuid().is_root() => Ok(Shown::Untold),
        Some(0) if facts.environment_unreadable => {
            Ok(Shown::Kernel("owned by root under /proc, environment unreadable".to_owned()))
        }
        Some(owner) => Err(format!("owned by user {owner} under /proc")),
    }
}

/// The limits that hold whatever the session's own are.
const CEILINGS: &[(&str, u64)] = &[
    ("Max core file size", 0),
    ("Max file size", 0),
    ("Max open files", 3),
    ("Max processes", 0),
    ("Max locked memory", 0),
    ("Max msgqueue size", 0),
];

fn limited(facts: &Facts) -> Result<Shown, String> {
    for (name, most) in CEILINGS {
        let line = facts.limits.lines().find_map(|line| line.strip_prefix(name));
        let mut columns =
            line.ok_or_else(|| format!("this kernel does not show '{name}'"))?.split_whitespace();
        for kind in ["soft", "hard"] {
            let found = columns.next().unwrap_or("nothing");
            if found.parse::<u64>().is_ok_and(|value| value <= *most) {
                continue;
            }
            return Err(format!("the {kind} limit '{name}' is {found}, not {most}"));
        }
    }
    Ok(Shown::Kernel("core, files, processes, locked memory and queues at their lowest".to_owned()))
}

/// A filter of the worker's own: the ones it inherited do not count.
fn filtered(facts: &Facts) -> Result<Shown, String> {
    equals(facts, "Seccomp", "2")?;
    match field(&facts.status, "Seccomp_filters") {
        Some(count) if number(count) > facts.own_filters => Ok(Shown::Kernel(format!(
            "Seccomp 2, Seccomp_filters {count}, this host's own {}",
            facts.own_filters
        ))),
        Some(_) => Err("it has no filter beside the ones of its host".to_owned()),
        None => Err("this kernel does not show Seccomp_filters (Linux 5.9 or later is needed)".to_owned()),
    }
}
