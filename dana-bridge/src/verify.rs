//! Whether a worker is as locked as it says: the host's own reading of the kernel's facts.
//!
//! The rule: what can be read is read, and the worker's word counts only where nothing can be. All
//! of it happens before the first byte of user code is sent. The process descriptor is looked at
//! after reading, so what was read belongs to our worker and not to a later process of its number.

use dana_wire::LayerClaim;

use crate::facts::Facts;
use crate::namespaces;
use crate::recruit::Recipe;
use crate::report::{Evidence, Known, LAYERS, Layer, Level, Report};
use crate::wish::{self, Failure};
use crate::worker::Worker;

/// How to tell whether a layer is in force: what shows it, or why it is not.
pub(crate) type Check = fn(&Facts) -> Result<Shown, String>;

/// Something a check found.
#[derive(Debug)]
pub(crate) enum Shown {
    /// The kernel says so.
    Kernel(String),
    /// The kernel does not tell this host; the worker's claim has to do.
    Untold,
}

/// What the host reads itself.
const CHECKS: &[(&str, Check)] = &[
    ("process", is_child),
    ("threads", |facts| equals(facts, "Threads", "1")),
    ("fds", three_pipes),
    ("environment", empty_environment),
    ("session", own_session),
    ("own_user", own_user),
    ("user_namespace", namespaces::user),
    ("uts_namespace", |facts| namespaces::differs(facts, "uts")),
    ("ipc_namespace", |facts| namespaces::differs(facts, "ipc")),
    ("cgroup_namespace", |facts| namespaces::differs(facts, "cgroup")),
    ("net_namespace", namespaces::net),
    ("mount_namespace", namespaces::mount),
    ("pid_namespace", namespaces::pid),
    ("bounding_set", |facts| zero(facts, &["CapBnd"])),
    ("capabilities", |facts| zero(facts, &["CapInh", "CapPrm", "CapEff", "CapAmb"])),
    ("dumpable", not_dumpable),
    ("no_new_privs", |facts| equals(facts, "NoNewPrivs", "1")),
    ("huge_pages", no_huge_pages),
    ("speculation", restrained),
    ("cgroup", grouped),
    ("rlimits", limited),
    ("seccomp", filtered),
];

/// Compares a worker's claims with the kernel's facts. `None` if the worker is gone.
pub(crate) fn verify(
    worker: &Worker,
    recipe: &Recipe,
    failures: &[Failure],
    claims: &[LayerClaim],
) -> Option<Report> {
    let wish = &recipe.wish;
    let facts = Facts::read(worker, recipe);
    // The first claim of a name counts: ours.
    let claims: Vec<LayerClaim> = failures.iter().map(failed).chain(claims.iter().cloned()).collect();
    let claims = claims.as_slice();
    let judged = LAYERS.iter().map(|known| judge(known, wish.wants(known), facts.as_ref(), claims));
    // A claim of a layer that this host does not know is not passed on: nothing would vouch for it.
    let layers: Vec<Layer> = judged.collect();
    worker.is_alive().then(|| Report { level: Level::of(&layers), asked: wish.level, layers })
}

fn failed((name, reason): &Failure) -> LayerClaim {
    LayerClaim { name: (*name).to_owned(), applied: false, detail: reason.clone() }
}

fn judge(known: &Known, wanted: bool, facts: Result<&Facts, &String>, claims: &[LayerClaim]) -> Layer {
    let name = known.name;
    let missing = |reason: String| layer(name, wanted, Evidence::None, String::new(), reason);
    let claim = claims.iter().find(|claim| claim.name == name);
    // A worker that says it failed is believed, whatever the kernel shows of the attempt.
    if let Some(claim) = claim.filter(|claim| !claim.applied) {
        return said(name, wanted, claim);
    }
    // Nobody put up the layers of higher levels: there is nothing to look for.
    if !wanted && claim.is_none() && known.wanted.is_some_and(|level| level > Level::Landlocked) {
        return missing("not asked for".to_owned());
    }
    if let Some((_, check)) = CHECKS.iter().find(|(known, _)| *known == name) {
        match facts.map_err(String::clone).and_then(check) {
            Ok(Shown::Kernel(value)) => return layer(name, wanted, Evidence::Kernel, value, String::new()),
            Err(_) if claim.is_none() && !wanted => return missing("not asked for".to_owned()),
            Err(reason) => return missing(reason),
            Ok(Shown::Untold) => {}
        }
    }
    match claim {
        Some(claim) => said(name, wanted, claim),
        None if wanted => missing("the worker says nothing of it".to_owned()),
        None => missing("not asked for".to_owned()),
    }
}

fn said(name: &str, wanted: bool, claim: &LayerClaim) -> Layer {
    if claim.applied {
        return layer(name, wanted, Evidence::Worker, claim.detail.clone(), String::new());
    }
    layer(name, wanted, Evidence::None, String::new(), claim.detail.clone())
}

fn layer(name: &str, wanted: bool, evidence: Evidence, value: String, reason: String) -> Layer {
    Layer { name: name.to_owned(), wanted, in_force: evidence != Evidence::None, evidence, value, reason }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn equals(facts: &Facts, name: &str, wanted: &str) -> Result<Shown, String> {
    match facts.field(name)? {
        found if found == wanted => Ok(Shown::Kernel(format!("{name} {found}"))),
        found => Err(format!("{name} is {found}, not {wanted}")),
    }
}

fn zero(facts: &Facts, names: &[&str]) -> Result<Shown, String> {
    for name in names {
        let found = facts.field(name)?;
        if !found.bytes().all(|digit| digit == b'0') {
            return Err(format!("{name} is {found}"));
        }
    }
    Ok(Shown::Kernel(format!("{} 0", names.join(", "))))
}

fn is_child(facts: &Facts) -> Result<Shown, String> {
    equals(facts, "PPid", &std::process::id().to_string())
}

/// Descriptors 0, 1 and 2, each a pipe of its own, and no other.
fn three_pipes(facts: &Facts) -> Result<Shown, String> {
    match facts.descriptors() {
        Err(error) => Err(format!("its descriptors cannot be read: {error}")),
        // Kernels before 6.2 do not count.
        Ok(Err(0)) => Ok(Shown::Untold),
        Ok(Err(3)) => Ok(Shown::Kernel("3 descriptors".to_owned())),
        Ok(Err(count)) => Err(format!("{count} descriptors are open")),
        Ok(Ok(mut found)) => {
            found.sort();
            let numbers: Vec<&str> = found.iter().map(|(number, _)| number.as_str()).collect();
            if numbers != ["0", "1", "2"] {
                return Err(format!("descriptors {} are open", numbers.join(", ")));
            }
            match found.iter().find(|(_, target)| !target.starts_with("pipe:[")) {
                Some((number, target)) => Err(format!("descriptor {number} is {target}")),
                None => Ok(Shown::Kernel("0, 1 and 2 are pipes, no other is open".to_owned())),
            }
        }
    }
}

fn empty_environment(facts: &Facts) -> Result<Shown, String> {
    match facts.text("environ") {
        Ok(text) if text.is_empty() => Ok(Shown::Kernel("empty".to_owned())),
        Ok(text) => Err(format!("{} bytes of variables", text.len())),
        Err(_) => Ok(Shown::Untold),
    }
}

/// Signals the worker may handle: `SIGBUS` and `SIGSEGV`, to say what happened; `SIGABRT` and
/// `SIGXCPU`, where their default would be ignored. Bit 0 is signal 1.
const HANDLED: u64 = 1 << 6 | 1 << 10 | 1 << 5 | 1 << 23;
/// `SIGPIPE` and `SIGXFSZ`, and the two numbers that C libraries keep for themselves.
const IGNORED: u64 = 1 << 12 | 1 << 24 | 1 << 31 | 1 << 32;

/// Leads a session of its own, blocks no signal, handles and ignores only what it should.
fn own_session(facts: &Facts) -> Result<Shown, String> {
    let leader = facts.field("NSsid")?.split_whitespace().next().unwrap_or("");
    if leader != facts.pid().to_string() {
        return Err(format!("it belongs to session {leader}"));
    }
    for (name, most) in [("SigBlk", 0), ("SigCgt", HANDLED), ("SigIgn", IGNORED)] {
        let found = facts.field(name)?;
        let set = u64::from_str_radix(found, 16).map_err(|_| format!("{name} is {found}"))?;
        if set & !most != 0 {
            return Err(format!("{name} is {found}"));
        }
    }
    Ok(Shown::Kernel(format!("leads session {leader}, SigBlk 0, SigCgt {}", facts.field("SigCgt")?)))
}

/// A user and a group that nobody else has, and no further groups.
fn own_user(facts: &Facts) -> Result<Shown, String> {
    let wanted = wish::own_user(facts.pid()).to_string();
    for name in ["Uid", "Gid"] {
        let found = facts.field(name)?;
        if !found.split_whitespace().all(|id| id == wanted) {
            return Err(format!("{name} is {}, not {wanted}", found.split_whitespace().next().unwrap_or("")));
        }
    }
    match facts.field("Groups")? {
        "" => Ok(Shown::Kernel(format!("Uid and Gid {wanted}, no groups"))),
        groups => Err(format!("Groups is {groups}")),
    }
}

/// A process that cannot be traced belongs to root under `/proc`, whoever its user is. Where that user
/// is root and this host may read everything, the kernel does not tell. Whoever traces it already
/// goes on: between exec and the lock a neighbour may have been quick.
fn not_dumpable(facts: &Facts) -> Result<Shown, String> {
    match facts.field("TracerPid")? {
        "0" => {}
        tracer => return Err(format!("process {tracer} traces it")),
    }
    let user = facts.field("Uid")?.split_whitespace().nth(1).unwrap_or("0");
    match facts.owner() {
        Err(error) => Err(format!("its owner under /proc cannot be read: {error}")),
        Ok(0) if user != "0" => {
            Ok(Shown::Kernel(format!("owned by root under /proc, though its user is {user}")))
        }
        // Root has no number in a user namespace that does not know it.
        Ok(owner) if owner.to_string() != user => {
            Ok(Shown::Kernel(format!("owned by {owner} under /proc, though its user is {user}")))
        }
        Ok(_) if facts.text("environ").is_err() => {
            Ok(Shown::Kernel("its environment cannot be read".to_owned()))
        }
        Ok(0) => Ok(Shown::Untold),
        Ok(owner) => Err(format!("owned by user {owner} under /proc")),
    }
}

fn no_huge_pages(facts: &Facts) -> Result<Shown, String> {
    match facts.field("THP_enabled") {
        Ok("0") => Ok(Shown::Kernel("THP_enabled 0".to_owned())),
        Ok(found) => Err(format!("THP_enabled is {found}")),
        Err(_) => Ok(Shown::Untold),
    }
}

/// What the kernel calls a processor that cannot be led astray in these two ways, or not any more.
const RESTRAINED: &[(&str, &[&str])] = &[
    ("Speculation_Store_Bypass", &["not vulnerable", "thread force mitigated", "globally mitigated"]),
    ("SpeculationIndirectBranch", &["not affected", "conditional force disabled", "always disabled"]),
];

fn restrained(facts: &Facts) -> Result<Shown, String> {
    let mut shown = Vec::new();
    for (name, good) in RESTRAINED {
        let found = facts.field(name)?;
        if !good.contains(&found) {
            return Err(format!("{name} is '{found}'"));
        }
        shown.push(format!("{name} '{found}'"));
    }
    Ok(Shown::Kernel(shown.join(", ")))
}

fn grouped(facts: &Facts) -> Result<Shown, String> {
    match facts.group() {
        None => Err("no group was made for it".to_owned()),
        Some(evidence) => evidence.clone().map(Shown::Kernel),
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
    ("Max pending signals", 16),
    ("Max realtime priority", 0),
    ("Max nice priority", 0),
    ("Max stack size", 8 << 20),
];

fn limited(facts: &Facts) -> Result<Shown, String> {
    let mut shown = "core, files, processes, locked memory, queues and priority at their lowest".to_owned();
    for (name, most) in CEILINGS {
        at_most(facts, name, [*most; 2])?;
    }
    if let Some(bytes) = facts.memory {
        at_most(facts, "Max address space", [bytes; 2])?;
        shown.push_str(&format!(", address space {bytes}"));
    }
    if let Some(seconds) = facts.cpu {
        // A second between the signal that says why and the one that ends it.
        at_most(facts, "Max cpu time", [seconds, seconds.saturating_add(1)])?;
        shown.push_str(&format!(", processor time {seconds} s"));
    }
    Ok(Shown::Kernel(shown))
}

fn at_most(facts: &Facts, name: &str, most: [u64; 2]) -> Result<(), String> {
    for ((kind, found), most) in ["soft", "hard"].into_iter().zip(facts.limit(name)?).zip(most) {
        if !found.parse::<u64>().is_ok_and(|value| value <= most) {
            return Err(format!("the {kind} limit '{name}' is {found}, not {most}"));
        }
    }
    Ok(())
}

/// A filter of the worker's own: the ones it inherited do not count.
fn filtered(facts: &Facts) -> Result<Shown, String> {
    equals(facts, "Seccomp", "2")?;
    let own = number(facts.own_field("Seccomp_filters"));
    match facts.field("Seccomp_filters") {
        Ok(count) if number(count) > own => {
            Ok(Shown::Kernel(format!("Seccomp 2, Seccomp_filters {count}, this host's own {own}")))
        }
        Ok(_) => Err("it has no filter beside the ones of its host".to_owned()),
        Err(_) => Err("this kernel does not show Seccomp_filters (Linux 5.9 or later is needed)".to_owned()),
    }
}
