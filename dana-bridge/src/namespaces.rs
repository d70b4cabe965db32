//! Whether a worker's namespaces are its own.
//!
//! The rule: a link under `/proc/<pid>/ns` that differs from this host's own is proof. Where the host
//! may not read it (a plain user may not, since the worker cannot be traced), what else the kernel
//! shows counts; for the host name, System V objects and control groups there is nothing else, and
//! the worker's claim has to do.

use std::io;

use crate::facts::Facts;
use crate::verify::Shown;

/// Compares one link. `None` if this host may not read it.
fn compare(facts: &Facts, kind: &str) -> Result<Option<String>, String> {
    let name = format!("ns/{kind}");
    let failed = |error: io::Error| format!("{name} cannot be read: {error}");
    let own = Facts::own_link(&name).map_err(failed)?;
    match facts.link(&name) {
        Ok(theirs) if theirs == own => Err(format!("it is in the host's own, {own}")),
        Ok(theirs) => Ok(Some(theirs)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Another namespace than the host's.
pub(crate) fn differs(facts: &Facts, kind: &str) -> Result<Shown, String> {
    Ok(compare(facts, kind)?.map_or(Shown::Untold, Shown::Kernel))
}

/// Another user namespace, that knows one user: the worker's. A host that knows only one user itself, and may not read
/// the link, cannot tell.
pub(crate) fn user(facts: &Facts) -> Result<Shown, String> {
    let link = compare(facts, "user")?;
    let failed = |error| format!("uid_map cannot be read: {error}");
    let map = facts.text("uid_map").map_err(failed)?;
    let words: Vec<&str> = map.split_whitespace().collect();
    let [_, outside, "1"] = words.as_slice() else {
        return Err(format!("its uid_map is '{}'", words.join(" ")));
    };
    let differs = map != Facts::own_text("uid_map").map_err(failed)?;
    let link = match link {
        Some(link) => link,
        None if differs => "another uid_map than the host's".to_owned(),
        None => return Ok(Shown::Untold),
    };
    Ok(Shown::Kernel(format!("{link}, knows only user {outside}")))
}

/// Another network, with nothing in it but the loopback interface.
pub(crate) fn net(facts: &Facts) -> Result<Shown, String> {
    let link = compare(facts, "net")?;
    let theirs = facts.text("net/dev").map(|table| interfaces(&table));
    match (link, theirs) {
        (_, Ok(theirs)) if theirs.iter().any(|name| name != "lo") => {
            Err(format!("it has the interfaces {}", theirs.join(", ")))
        }
        (Some(link), Ok(_)) => Ok(Shown::Kernel(format!("{link}, no interface but lo"))),
        (Some(link), Err(_)) => Ok(Shown::Kernel(link)),
        (None, Ok(_)) if Facts::own_text("net/dev").is_ok_and(|own| interfaces(&own).len() > 1) => {
            Ok(Shown::Kernel("no interface but lo, unlike the host".to_owned()))
        }
        (None, _) => Ok(Shown::Untold),
    }
}

/// The names in a table of interfaces, below its two lines of heading.
fn interfaces(table: &str) -> Vec<String> {
    table
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// Another tree of mounts: one empty file system that cannot be written to.
pub(crate) fn mount(facts: &Facts) -> Result<Shown, String> {
    let link = compare(facts, "mnt")?.map_or_else(String::new, |link| format!("{link}, "));
    let table = facts.text("mountinfo").map_err(|error| format!("its mounts cannot be read: {error}"))?;
    let mounts: Vec<&str> = table.lines().collect();
    let [only] = mounts.as_slice() else { return Err(format!("it has {} mounts", mounts.len())) };
    let words: Vec<&str> = only.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "-").unwrap_or(words.len());
    let is = |index: usize, wanted: &str| words.get(index).is_some_and(|word| *word == wanted);
    let has = |index: usize, wanted: &str| {
        words.get(index).is_some_and(|options| options.split(',').any(|option| option == wanted))
    };
    // Room for one inode is room for the root directory alone.
    if is(4, "/") && is(at + 1, "tmpfs") && has(5, "ro") && has(at + 3, "nr_inodes=1") {
        return Ok(Shown::Kernel(format!("{link}one mount: an empty, read-only tmpfs")));
    }
    Err(format!("its root is '{only}'"))
}

/// Another numbering of processes, in which the worker is the first.
pub(crate) fn pid(facts: &Facts) -> Result<Shown, String> {
    let count = |text: &str| text.split_whitespace().count();
    let found = facts.field("NSpid")?;
    let own = count(facts.own_field("NSpid"));
    if own > 0 && count(found) == own + 1 && found.ends_with("\t1") {
        return Ok(Shown::Kernel(format!("it is process 1 there, NSpid {}", found.replace('\t', " "))));
    }
    Err("it is in the host's own: only a host that is root (CAP_SYS_ADMIN) can start it in another"
        .to_owned())
}
