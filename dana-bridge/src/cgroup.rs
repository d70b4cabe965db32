//! A control group of a worker's own, with limits, where this process may make one.
//!
//! The rule: a group is made beside this process's own (below it in version 1 and at the very top),
//! holds one worker ever, and is removed when that one has ended. The group of a host that died is
//! removed by the next host: it is locked by whoever made it, for as long as that process lives.
//! Left out: changing anything about groups that others made, except switching on the two
//! controllers for the children of the parent, which version 2 asks for.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::facts::Facts;
use crate::sys::{PerProcess, process};

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

fn refused(step: &'static str, path: &Path) -> impl Fn(io::Error) -> CgroupError {
    let path = path.display().to_string();
    move |error| CgroupError::Refused { step, path: path.clone(), error }
}

/// A limit: the file that sets it, what is written there, and whether the kernel must have it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Limit {
    file: &'static str,
    value: u64,
    required: bool,
}

/// One directory in which a worker's group is made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parent {
    folder: PathBuf,
    /// The same as `/proc/<pid>/cgroup` shows it.
    shown: String,
    /// How a line there begins, after the number of the hierarchy.
    controllers: String,
    limits: Vec<Limit>,
}

/// The group of one worker: one directory in version 2, one a controller in version 1.
#[derive(Debug)]
pub(crate) struct Cgroup {
    host: u32,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    parent: Parent,
    name: String,
    /// Open and locked for as long as this process lives.
    _lock: File,
}

impl Cgroup {
    /// Makes a group for one process and this many bytes; `None` leaves memory without a limit.
    pub(crate) fn make(memory: Option<u64>) -> Result<Cgroup, CgroupError> {
        let parents = parents(memory)?;
        sweep_once(&parents);
        let mut group = Cgroup { host: process(), places: Vec::new() };
        for parent in parents {
            // What was made so far is removed when `group` is dropped.
            let place = parent.place()?;
            group.places.push(place);
            if let Some(place) = group.places.last() {
                place.limit()?;
            }
        }
        Ok(group)
    }

    /// The files through which a process moves itself into the group.
    pub(crate) fn doors(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let open = |place: &Place| {
            let path = place.folder().join("cgroup.procs");
            let file = OpenOptions::new().write(true).open(&path).map_err(refused("open", &path))?;
            Ok(file.into())
        };
        self.places.iter().map(open).collect()
    }

    /// Whether the process is in the group, and the limits hold: the kernel's word.
    pub(crate) fn evidence(&self, pid: i32) -> Result<String, String> {
        let table = fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .map_err(|error| format!("its groups cannot be read: {error}"))?;
        let mut shown = Vec::new();
        for place in &self.places {
            let line = format!(":{}:{}", place.parent.controllers, place.shown());
            if !table.lines().any(|found| found.trim_start_matches(|c: char| c.is_ascii_digit()) == line) {
                return Err(format!("it is not in the group {}", place.shown()));
            }
            for limit in place.parent.limits.iter().filter(|limit| limit.required) {
                let path = place.folder().join(limit.file);
                let found = fs::read_to_string(&path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                let found = found.trim();
                if !found.parse::<u64>().is_ok_and(|value| value <= limit.value) {
                    return Err(format!("{} is {found}, not {}", limit.file, limit.value));
                }
                shown.push(format!("{} {found}", limit.file));
            }
        }
        Ok(format!("{}, its own group", shown.join(", ")))
    }

    /// Whether the kernel ended a process of the group for the memory it took.
    pub(crate) fn ran_out(&self) -> bool {
        ["memory.events", "memory.oom_control"].iter().any(|file| {
            self.places.iter().any(|place| {
                let text = fs::read_to_string(place.folder().join(file)).unwrap_or_default();
                text.lines()
                    .any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
            })
        })
    }
}

/// Only in the process that made it, once the worker has ended: until then the kernel refuses.
impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.host == process() {
            for place in &self.places {
                // Fails if something is still inside; then the next host finds it empty and unlocked.
                let _ = fs::remove_dir(place.folder());
            }
        }
    }
}

impl Parent {
    /// Makes a directory that no other host removes.
    fn place(self) -> Result<Place, CgroupError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{number}", process());
            let folder = self.folder.join(&name);
            match fs::create_dir(&folder) {
                // Of a host that had our number and died.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(refused("mkdir", &folder))?,
            }
            // Until it is locked, another host may take it for a leftover.
            match File::open(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let _ = fs::remove_dir(&folder);
                    return Err(refused("open", &folder)(error));
                }
                Ok(lock) => match lock.try_lock() {
                    Ok(()) if folder.exists() => return Ok(Place { parent: self, name, _lock: lock }),
                    Ok(()) | Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => {
                        let _ = fs::remove_dir(&folder);
                        return Err(refused("lock", &folder)(error));
                    }
                },
            }
        }
    }
}

impl Place {
    fn folder(&self) -> PathBuf {
        self.parent.folder.join(&self.name)
    }

    fn shown(&self) -> String {
        format!("{}/{}", self.parent.shown.trim_end_matches('/'), self.name)
    }

    fn limit(&self) -> Result<(), CgroupError> {
        for limit in &self.parent.limits {
            let path = self.folder().join(limit.file);
            match write(&path, limit.value) {
                Err(_) if !limit.required => {}
                written => written.map_err(refused("write", &path))?,
            }
        }
        Ok(())
    }
}

/// How the names of all groups of workers begin.
const PREFIX: &str = "dana-worker-";

/// Writes to a file that exists.
fn write(path: &Path, value: impl fmt::Display) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.to_string().as_bytes())
}

/// Removes what hosts that died left behind, once in the life of this process.
fn sweep_once(parents: &[Parent]) {
    static SWEPT: PerProcess<AtomicBool> = PerProcess::new();
    if !SWEPT.get().swap(true, Ordering::Relaxed) {
        parents.iter().for_each(|parent| sweep(&parent.folder));
    }
}

/// Removes every group of a worker that nobody has locked and nobody is in.
fn sweep(folder: &Path) {
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
fn parents(memory: Option<u64>) -> Result<Vec<Parent>, CgroupError> {
    let own = Facts::own_text("cgroup").map_err(CgroupError::Own)?;
    let mounts = Facts::own_text("mountinfo").map_err(CgroupError::Own)?;
    if let Some((folder, shown)) = locate(&own, &mounts, None)
        && lists(&folder.join("cgroup.controllers"), &["memory", "pids"])
    {
        return second_version(folder, &shown, memory).map(|parent| vec![parent]);
    }
    let first = |controller: &str, limits: Vec<Limit>| {
        let (folder, shown) = locate(&own, &mounts, Some(controller)).ok_or(CgroupError::Controllers)?;
        let controllers = joint(&own, controller).ok_or(CgroupError::Controllers)?;
        Ok(Parent { folder, shown, controllers, limits })
    };
    let bytes = memory
        .map(|value| [("memory.limit_in_bytes", value, true), ("memory.memsw.limit_in_bytes", value, false)]);
    Ok(vec![
        first("memory", bytes.into_iter().flatten().map(limit).collect())?,
        first("pids", vec![limit(("pids.max", 1, true))])?,
    ])
}

fn limit((file, value, required): (&'static str, u64, bool)) -> Limit {
    Limit { file, value, required }
}

/// A group with processes in it cannot have limited children, so the place is beside this one.
fn second_version(own: PathBuf, shown: &str, memory: Option<u64>) -> Result<Parent, CgroupError> {
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
fn joint(own: &str, controller: &str) -> Option<String> {
    own.lines().find_map(|line| {
        let (controllers, _) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|found| found == controller).then(|| controllers.to_owned())
    })
}

/// The directory of this process's own group for a controller of version 1, or in version 2, and the
/// path by which `/proc` calls it.
fn locate(own: &str, mounts: &str, controller: Option<&str>) -> Option<(PathBuf, String)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
    const FIRST: &str = "31 24 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n\
                         32 24 0:28 /box /cg/pids rw - cgroup cgroup rw,cpu,pids";

    #[test]
    fn own_groups_are_found() {
        let found = locate("0::/user.slice/a.scope\n", SECOND, None);
        assert_eq!(
            found,
            Some(("/sys/fs/cgroup/user.slice/a.scope".into(), "/user.slice/a.scope".to_owned()))
        );
        assert_eq!(locate("0::/\n", SECOND, None), Some(("/sys/fs/cgroup/".into(), "/".to_owned())));
        let own = "4:memory:/a/b\n3:cpu,pids:/box/c\n0::/\n";
        assert_eq!(locate(own, FIRST, Some("memory")), Some(("/cg/memory/a/b".into(), "/a/b".to_owned())));
        assert_eq!(locate(own, FIRST, Some("pids")), Some(("/cg/pids/c".into(), "/box/c".to_owned())));
        assert_eq!(joint(own, "pids").as_deref(), Some("cpu,pids"));
        assert_eq!(locate("3:cpu,pids:/other/c\n", FIRST, Some("pids")), None);
        assert_eq!(locate("3:cpu,pids:/boxes\n", FIRST, Some("pids")), None);
        assert_eq!(locate("4:memory:/\n", "", Some("memory")), None);
        assert_eq!(locate("nonsense", "nonsense", None), None);
    }

    /// A directory that looks like a delegated group of version 2, whose files are made beforehand.
    fn delegated(controls: &str) -> PathBuf {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("dana-cgroup-{}-{number}", std::process::id()));
        let own = folder.join("own");
        fs::create_dir_all(&own).unwrap();
        fs::write(folder.join("cgroup.subtree_control"), controls).unwrap();
        fs::write(own.join("cgroup.type"), "domain").unwrap();
        folder
    }

    #[test]
    fn the_second_version_puts_workers_beside_their_host() {
        let folder = delegated("cpu memory pids\n");
        let parent = second_version(folder.join("own"), "/a/own", Some(1 << 20)).unwrap();
        assert_eq!((parent.folder.clone(), parent.shown.as_str()), (folder.clone(), "/a"));
        let files: Vec<_> = parent.limits.iter().map(|limit| (limit.file, limit.value)).collect();
        assert_eq!(files, [("memory.max", 1 << 20), ("memory.swap.max", 0), ("pids.max", 1)]);
        assert!(matches!(second_version(folder.join("own"), "/", None), Err(CgroupError::Topmost)));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn controllers_are_switched_on_for_the_children() {
        let folder = delegated("cpu\n");
        second_version(folder.join("own"), "/a/own", None).unwrap();
        let control = folder.join("cgroup.subtree_control");
        assert_eq!(fs::read_to_string(&control).unwrap(), "+memory +pids");
        fs::remove_file(&control).unwrap();
        let refused = second_version(folder.join("own"), "/a/own", None).unwrap_err();
        assert!(refused.to_string().starts_with("write "), "{refused}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_what_nobody_holds_is_swept() {
        let folder = delegated("");
        let [left, held, other] = ["dana-worker-1-0", "dana-worker-2-0", "somebody"].map(|name| {
            fs::create_dir(folder.join(name)).unwrap();
            folder.join(name)
        });
        let lock = File::open(&held).unwrap();
        lock.try_lock().unwrap();
        sweep(&folder);
        assert_eq!([left.exists(), held.exists(), other.exists()], [false, true, true]);
        drop(lock);
        sweep(&folder);
        assert!(!held.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
