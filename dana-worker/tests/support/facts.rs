//! What the kernel says about a process.

use std::collections::BTreeMap;
use std::fs;

/// The fields of `/proc/<pid>/status`.
pub fn status(pid: i32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a live process");
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Soft and hard limit by the kernel's name, such as `Max open files`.
pub fn limits(pid: i32) -> BTreeMap<String, (String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("a live process");
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let (name, rest) = line.split_at_checked(26)?;
            let mut values = rest.split_whitespace();
            Some((name.trim().to_owned(), (values.next()?.to_owned(), values.next()?.to_owned())))
        })
        .collect()
}

/// Open descriptors and what they point to.
pub fn descriptors(pid: i32) -> BTreeMap<u32, String> {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("permission")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let number = entry.file_name().to_string_lossy().parse().expect("a number");
            (number, fs::read_link(entry.path()).expect("a link").to_string_lossy().into_owned())
        })
        .collect()
}

/// The mappings of `/proc/<pid>/maps`: start, end, permissions, name.
pub fn mappings(pid: i32) -> Vec<(u64, u64, String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/maps")).expect("permission");
    text.lines()
        .map(|line| {
            let mut fields = line.split_whitespace();
            let range = fields.next().expect("a range");
            let (start, end) = range.split_once('-').expect("two ends");
            let address = |text| u64::from_str_radix(text, 16).expect("hexadecimal");
            let permissions = fields.next().expect("permissions").to_owned();
            (address(start), address(end), permissions, fields.nth(3).unwrap_or_default().to_owned())
        })
        .collect()
}
