//! Where groups of workers may be made, what they are limited to there, and what dead hosts left there.
//!
//! The rule: everything is derived from the two tables of `/proc` that are handed in, and from the files below the
//! directory they name. Left out: the groups themselves, and everything else of this crate, so that this file can be
//! tested without Python.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why there is no group. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CgroupError {
    #[error("this process's own groups cannot be read: {0}")]
    Own(io::Error),
    #[error("no file system of control groups has the controllers memory and pids for this process")]
    Controllers,
    #[error("this process is alone in the topmost group it can see: move it into a group below first")]
    Topmost,
    #[error("{step} {path}: {error}")]
    Refused { step: &'static str, path: String, error: io::Error },
}

pub(crate) fn refused(step: &'static str, path: &Path) -> impl Fn(io::Error) -> CgroupError {
    let path = path.display().to_string();
    move |error| CgroupError::Refused { step, path: path.clone(), error }
}

/// A limit: the file that sets it, what is written there, and whether the kernel must have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) file: &'static str,
    pub(crate) value: u64,
    pub(crate) required: bool,
}

/// One directory in which a worker's group is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) folder: PathBuf,
    /// The same as `/proc/<pid>/cgroup` shows it.
    pub(crate) shown: String,
    /// How a line there begins, after the number of the hierarchy.
    pub(crate) controllers: String,
    pub(crate) limits: Vec<Limit>,
}

/// How the names of all groups of workers begin.
pub(crate) const PREFIX: &str = "dana-worker-";

/// Writes to a file that exists.
pub(crate) fn write(path: &Path, value: impl fmt::Display) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.to_string().as_bytes())
}

/// Removes every group of a worker that nobody has locked and nobody is in.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(lock) = File::open(entry.path())
            && lock.try_lock().is_ok()
        {
            // Fails while a process is inside, which cannot outlive its host for long.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Where this process may make groups with limits on memory and processes.
pub(crate) fn parents(own: &str, mounts: &str, memory: Option<u64>) -> Result<Vec<Parent>, CgroupError> {
    if let Some((folder, shown)) = locate(own, mounts, None)
        && has_controllers(&folder, &shown)
    {
        return second_version(folder, &shown, memory).map(|parent| vec![parent]);
    }
    let first = |controller: &str, limits: Vec<Limit>| {
        let (folder, shown) = locate(own, mounts, Some(controller)).ok_or(CgroupError::Controllers)?;
        let controllers = joint(own, controller).ok_or(CgroupError::Controllers)?;
        Ok(Parent { folder, shown, controllers, limits })
    };
    let bytes = memory
        .map(|value| [("memory.limit_in_bytes", value, true), ("memory.memsw.limit_in_bytes", value, false)]);
    Ok(vec![
        first("memory", bytes.into_iter().flatten().map(limit).collect())?,
        first("pids", vec![limit(("pids.max", 1, true))])?,
    ])
}

/// Whether version 2 has both controllers where groups would be made. A parent that gives none to its children, such as
/// this process's own group, can still switch them on.
fn has_controllers(own: &Path, shown: &str) -> bool {
    let both = |folder: &Path| lists(&folder.join("cgroup.controllers"), &["memory", "pids"]);
    both(own) || (shown != "/" && own.parent().is_some_and(both))
}

fn limit((file, value, required): (&'static str, u64, bool)) -> Limit {
    Limit { file, value, required }
}

/// A group with processes in it cannot have limited children, so the place is beside this one.
pub(crate) fn second_version(own: PathBuf, shown: &str, memory: Option<u64>) -> Result<Parent, CgroupError> {
    let is_root = !own.join("cgroup.type").exists();
    let (folder, shown) = if is_root {
        (own, shown)
    } else {
        let above = shown.rsplit_once('/').map(|(above, _)| above);
        let folder = own.parent().map(Path::to_path_buf);
        match (folder, above) {
            (Some(folder), Some(above)) if shown != "/" => (folder, above),
            _ => return Err(CgroupError::Topmost),
        }
    };
    let control = folder.join("cgroup.subtree_control");
    if !lists(&control, &["memory", "pids"]) {
        write(&control, "+memory +pids").map_err(refused("write", &control))?;
    }
    let bytes = memory.map(|value| [("memory.max", value, true), ("memory.swap.max", 0, false)]);
    let limits = bytes.into_iter().flatten().chain([("pids.max", 1, true)]).map(limit).collect();
    Ok(Parent { folder, shown: shown.to_owned(), controllers: String::new(), limits })
}

/// Whether a file of words has all of these.
fn lists(path: &Path, wanted: &[&str]) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    wanted.iter().all(|word| text.split_whitespace().any(|found| found == *word))
}

/// The controllers that share a hierarchy of version 1 with this one, as `/proc` writes them.
pub(crate) fn joint(own: &str, controller: &str) -> Option<String> {
    own.lines().find_map(|line| {
        let (controllers, _) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|found| found == controller).then(|| controllers.to_owned())
    })
}

/// The directory of this process's own group for a controller of version 1, or in version 2, and the
/// path by which `/proc` calls it.
pub(crate) fn locate(own: &str, mounts: &str, controller: Option<&str>) -> Option<(PathBuf, String)> {
    let shown = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let fits = match controller {
            None => line.starts_with("0::"),
            Some(wanted) => controllers.split(',').any(|found| found == wanted),
        };
        fits.then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let fits = match controller {
            None => name == "cgroup2",
            Some(wanted) => name == "cgroup" && options.split(',').any(|found| found == wanted),
        };
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let below = shown.strip_prefix(root.trim_end_matches('/'))?;
        let whole = below.is_empty() || below.starts_with('/');
        let folder = || Path::new(point).join(below.trim_start_matches('/'));
        (fits && whole).then(|| (folder(), shown.to_owned()))
    })
}
