//! Hashes what both sides are made from into `DANA_BUILD`: every Rust source that ends up in the
//! worker or the bridge, the locked dependencies, and the compiler. No git, no clock, no paths, so
//! that the same tree gives the same text wherever it is built. Tests and fuzz targets stay out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const LEFT_OUT: [&str; 4] = ["target", "tests", "fuzz", "benches"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let root = here.join("../..").canonicalize()?;
    let mut files = vec![PathBuf::from("Cargo.lock"), PathBuf::from("Cargo.toml")];
    for part in ["dana-worker", "dana-bridge"] {
        collect(&root, Path::new(part), &mut files)?;
    }
    files.sort();

    let mut hash = Fnv::new();
    for file in &files {
        let path = root.join(file);
        println!("cargo:rerun-if-changed={}", path.display());
        let content = fs::read(&path)?;
        hash.eat(file.to_string_lossy().as_bytes());
        hash.eat(&(content.len() as u64).to_le_bytes());
        hash.eat(&content);
    }
    let compiler = Command::new(std::env::var("RUSTC")?).arg("-V").output()?;
    hash.eat(&compiler.stdout);
    println!("cargo:rustc-env=DANA_BUILD={:032x}", hash.0);
    Ok(())
}

/// Adds the Rust sources and manifests under `folder`, as paths from `root`. Cargo watches the
/// files only: a new one counts from the moment an old one names it.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = folder.join(&*name);
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && !LEFT_OUT.contains(&&*name) {
                collect(root, &path, files)?;
            }
        } else if name.ends_with(".rs") || name == "Cargo.toml" {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a with 128 bits: enough to tell builds apart by accident, not meant against an attacker.
struct Fnv(u128);

impl Fnv {
    fn new() -> Self {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn eat(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}
