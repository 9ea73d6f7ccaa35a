//! Looks at the machine: everything a plan is made from.
//!
//! Invariant: changes nothing but a scratch directory of its own, and never reaches for the network.
//! Memory: the output of one command at a time; the lists of apt are read for a fixed set of names.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use xtask::toolchain::{DEBIAN_RUSTC, Family, Found, TARGET, output_of, program};

use super::Options;
use super::install::{npm_directory, npm_source};
use super::packages::{BENCHES, NEEDS, Need, Row};
use super::plan::{Apt, COMPILERS, Facts, Package};

/// Package lists older than this are refreshed first: a mirror drops superseded versions.
const LISTS_ARE_RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks for what the options ask for; `updated` says that the package lists were just refreshed.
pub(super) fn look(&Options { tests, benches, .. }: &Options, updated: bool) -> Facts {
    let found = Found::look();
    let needs = [(tests, NEEDS), (benches, BENCHES)].into_iter().filter(|(asked, _)| *asked);
    let missing: Vec<Row> = needs.flat_map(|(_, needs)| needs).copied().filter(|(need, _)| !is_met(*need)).collect();
    let components = if tests {
        [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")]
            .iter()
            .filter(|(command, _)| output_of(command, &["--version"]).is_none())
            .map(|(_, component)| *component)
            .collect()
    } else {
        vec![]
    };
    let links = match (&found.linker, found.compiler()) {
        (Some(linker), Some(Family::Debian)) => Some(links(linker)),
        _ => None,
    };
    let llvm_dev =
        (1..100).filter(|major| Path::new(&format!("/usr/lib/llvm-{major}/lib/libLLVM.so")).exists()).collect();
    Facts {
        links,
        apt: apt(&found, &missing, updated),
        rustup: program("rustup").is_some(),
        binstall: program("cargo-binstall").is_some(),
        cxx: program("c++").is_some(),
        llvm_dev,
        missing,
        components,
        npm: tests && npm_is_missing(),
        found,
    }
}

fn is_met(need: Need) -> bool {
    match need {
        Need::Program(name) => {
            program(name).is_some()
                || ["/usr/local/sbin", "/usr/sbin", "/sbin"]
                    .iter()
                    .any(|directory| Path::new(directory).join(name).is_file())
        }
        Need::Working(name) => output_of(name, &["--version"]).is_some(),
        Need::PostgresProgram(name) => fs::read_dir("/usr/lib/postgresql")
            .is_ok_and(|versions| versions.flatten().any(|version| version.path().join("bin").join(name).is_file())),
        Need::PhpServer => fs::read_dir("/usr/sbin").is_ok_and(|programs| {
            programs.flatten().any(|program| program.file_name().as_encoded_bytes().starts_with(b"php-fpm"))
        }),
        Need::PythonModule(name) => output_of("/usr/bin/python3", &["-c", &format!("import {name}")]).is_some(),
    }
}

/// The copy of `package.json` next to the installed packages is written last, and tells that they are those asked for.
fn npm_is_missing() -> bool {
    let wanted = fs::read(npm_source().join("package.json"));
    let installed = fs::read(npm_directory().join("installed.json"));
    wanted.is_ok_and(|wanted| !installed.is_ok_and(|installed| installed == wanted))
}

/// Whether Debian's compiler and this linker agree: links a program that does nothing.
fn links(linker: &Path) -> bool {
    let scratch = env::temp_dir().join(format!("tracer-setup-{}", process::id()));
    if fs::create_dir(&scratch).is_err() {
        // Not known to fail; the build itself will tell.
        return true;
    }
    let source = scratch.join("probe.rs");
    let program = "#![no_std]\n#![no_main]\n\
        #[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n\
        #[unsafe(no_mangle)] #[unsafe(link_section = \"tracepoint\")] fn probe() -> u32 { 0 }\n";
    let linked = fs::write(&source, program).is_ok()
        && Command::new(DEBIAN_RUSTC)
            .args(["--edition=2024", "--crate-type=bin", "-Cdebuginfo=2", "-Cpanic=abort", "-Clink-arg=--btf"])
            .args(["--target", TARGET, "-o"])
            .args([scratch.join("probe").as_os_str(), source.as_os_str()])
            .arg([OsStr::new("-Clinker="), linker.as_os_str()].join(OsStr::new("")))
            .env("RUSTC_BOOTSTRAP", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    // Left behind at worst: a few kilobytes in the directory for temporary files.
    drop(fs::remove_dir_all(&scratch));
    linked
}

fn apt(found: &Found, missing: &[Row], updated: bool) -> Option<Apt> {
    program("apt-get")?;
    let lists_changed = fs::metadata("/var/lib/apt/lists").and_then(|lists| lists.modified()).ok();
    let recent = lists_changed.is_some_and(|at| at.elapsed().is_ok_and(|age| age < LISTS_ARE_RECENT));
    let llvm = match &found.debian.version {
        Some(_) => None,
        None => COMPILERS.iter().find_map(|[compiler, ..]| llvm_of(compiler)),
    };
    let mut names: Vec<String> = COMPILERS.iter().flatten().map(|name| (*name).to_owned()).collect();
    let majors =
        [llvm, found.debian.version.as_ref().map(|it| it.llvm), found.rustup.version.as_ref().map(|it| it.llvm)];
    names.extend(majors.into_iter().flatten().map(|major| format!("llvm-{major}-dev")));
    names.extend(missing.iter().flat_map(|(_, packages)| packages.iter().map(|name| (*name).to_owned())));
    let mut arguments = vec!["policy"];
    arguments.extend(names.iter().map(String::as_str));
    let known = asked("apt-cache", &arguments).map(|text| policies(&text)).unwrap_or_default();
    let removes = if found.debian.complete() { vec![] } else { removes() };
    Some(Apt { fresh: updated || recent, known, llvm, removes })
}

/// The major version of the LLVM library that a compiler's package depends on, however indirectly.
fn llvm_of(compiler: &str) -> Option<u32> {
    let only_dependencies =
        ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map(|kind| format!("--no-{kind}"));
    let mut arguments = vec!["depends", "--recurse"];
    arguments.extend(only_dependencies.iter().map(String::as_str));
    arguments.push(compiler);
    newest_llvm(&asked("apt-cache", &arguments)?)
}

fn newest_llvm(dependencies: &str) -> Option<u32> {
    let majors = dependencies.split_whitespace().filter_map(|word| word.strip_prefix("libllvm")?.parse().ok());
    majors.max()
}

/// What apt would remove to install the first of the compilers that is known.
fn removes() -> Vec<String> {
    let simulated =
        COMPILERS.iter().find_map(|names| asked("apt-get", &[&["--simulate", "install"], &names[..]].concat()));
    simulated.map(|text| removed(&text)).unwrap_or_default()
}

fn removed(simulation: &str) -> Vec<String> {
    let names = simulation.lines().filter_map(|line| line.strip_prefix("Remv ")?.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// Reads `apt-cache policy`: the packages that have a candidate.
fn policies(text: &str) -> BTreeMap<String, Package> {
    let mut known = BTreeMap::new();
    let mut name = "";
    let mut installed = false;
    for line in text.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            name = heading;
        } else if let Some(version) = line.strip_prefix("  Installed: ") {
            installed = version != "(none)";
        } else if let Some(version) = line.strip_prefix("  Candidate: ").filter(|version| *version != "(none)") {
            known.insert(name.to_owned(), Package { version: version_of(version), installed });
        }
    }
    known
}

fn version_of(text: &str) -> (u32, u32) {
    let without_epoch = text.split_once(':').map_or(text, |(_, rest)| rest);
    let mut parts = without_epoch.split(|it: char| !it.is_ascii_digit()).map_while(|part| part.parse().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// The output of a command that has to speak English to be understood.
fn asked(name: &str, arguments: &[&str]) -> Option<String> {
    let program: PathBuf = program("env")?;
    output_of(program, &[&["LC_ALL=C", name], arguments].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_read_from_what_apt_says() {
        let text = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n\
             \x20    1.85.0+dfsg3-1 500\nllvm-22-dev:\n  Installed: 1:22.1.8-1\n  Candidate: 1:22.1.8-1\n\
             gone:\n  Installed: (none)\n  Candidate: (none)\n";
        let known = policies(text);
        assert_eq!(known.get("rustc-web"), Some(&Package { version: (1, 96), installed: false }));
        assert_eq!(known.get("llvm-22-dev"), Some(&Package { version: (22, 1), installed: true }));
        assert_eq!(known.len(), 2, "a name without candidate is not a package");
    }

    #[test]
    fn the_compilers_llvm_is_read_from_its_dependencies() {
        assert_eq!(newest_llvm("rustc-web\n  Depends: libc6\n  Depends: libllvm22\nlibllvm19\n"), Some(22));
        assert_eq!(newest_llvm("rustc-web\n  Depends: libllvm\n  Depends: libllvmx\n"), None);
    }

    #[test]
    fn what_apt_would_remove_is_read_from_its_simulation() {
        let text = "Reading package lists...\nRemv rustup [1.26]\nInst rustc-web (1.96)\nConf rustc-web (1.96)\n";
        assert_eq!(removed(text), ["rustup"]);
    }
}
