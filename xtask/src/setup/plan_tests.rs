//! The plan as a table: from what was found to what is done.
//!
//! Invariant: no case looks at the machine it runs on. Memory: none.

use std::path::PathBuf;

use xtask::toolchain::{Compiler, Version};

use super::super::packages::{Need, services};
use super::*;

fn whole(llvm: u32) -> Compiler {
    Compiler { version: Some(Version { release: (1, 96), llvm }), cargo: true, core: true }
}

fn apt(names: &[&str]) -> Option<Apt> {
    let package = Package { version: (1, 96), installed: false };
    let known = names.iter().map(|name| ((*name).to_owned(), package.clone())).collect();
    Some(Apt { fresh: true, known, llvm: Some(22), removes: vec![] })
}

fn debian_apt() -> Option<Apt> {
    apt(&["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf", "llvm-22-dev", "nginx", "graphviz"])
}

fn ready() -> Facts {
    let found = Found { debian: whole(22), linker: Some(PathBuf::from("/bin/bpf-linker")), ..Found::default() };
    Facts { found, links: Some(true), cxx: true, ..Facts::default() }
}

fn install(names: &[&str]) -> Step {
    Step::AptInstall(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn a_machine_that_has_everything_needs_neither_apt_nor_network() {
    assert_eq!(plan(&ready()), Plan::Ready(Family::Debian));
    let stale_lists = Facts { apt: Some(Apt::default()), ..ready() };
    assert_eq!(plan(&stale_lists), Plan::Ready(Family::Debian));
}

#[test]
fn a_fresh_debian_gets_compiler_llvm_and_linker() {
    let facts = Facts { apt: debian_apt(), ..Facts::default() };
    assert_eq!(
        plan(&facts),
        Plan::Steps(vec![
            install(&["cargo-web", "g++", "libstd-rust-web-dev-bpf", "llvm-22-dev", "rustc-web"]),
            Step::BuildLinker(22),
        ])
    );
}

#[test]
fn package_lists_that_are_empty_or_old_are_refreshed_first() {
    let empty = Facts { apt: Some(Apt::default()), ..Facts::default() };
    assert_eq!(plan(&empty), Plan::Steps(vec![Step::AptUpdate]));
    let old = Facts { apt: debian_apt().map(|apt| Apt { fresh: false, ..apt }), ..Facts::default() };
    assert_eq!(plan(&old), Plan::Steps(vec![Step::AptUpdate]));
}

#[test]
fn only_what_is_missing_is_installed() {
    let mut facts = Facts { apt: debian_apt(), ..ready() };
    facts.found.linker = None;
    facts.llvm_dev.insert(22);
    assert_eq!(plan(&facts), Plan::Steps(vec![Step::BuildLinker(22)]));
    facts.llvm_dev.clear();
    assert_eq!(plan(&facts), Plan::Steps(vec![install(&["llvm-22-dev"]), Step::BuildLinker(22)]));
    facts.found.debian.core = false;
    let Plan::Steps(steps) = plan(&facts) else { panic!("core is missing") };
    assert!(matches!(&steps[0], Step::AptInstall(names) if names.contains(&"libstd-rust-web-dev-bpf".to_owned())));
}

#[test]
fn a_linker_that_cannot_read_the_compilers_output_is_built_anew() {
    let mut facts = Facts { links: Some(false), apt: debian_apt(), ..ready() };
    facts.llvm_dev.insert(22);
    assert_eq!(plan(&facts), Plan::Steps(vec![Step::BuildLinker(22)]));
}

#[test]
fn rustup_is_completed_where_debian_cannot_be() {
    let linker = Some(PathBuf::from("/bin/bpf-linker"));
    let no_apt = Facts { rustup: true, found: Found { linker, ..Found::default() }, ..Facts::default() };
    assert_eq!(plan(&no_apt), Plan::Steps(vec![Step::RustupNightly]));

    let would_remove = debian_apt().map(|apt| Apt { removes: vec!["rustup".to_owned()], ..apt });
    let conflict = Facts { apt: would_remove.clone(), ..no_apt.clone() };
    assert_eq!(plan(&conflict), Plan::Steps(vec![Step::RustupNightly]));
    let stuck = Facts { apt: would_remove, ..Facts::default() };
    assert!(matches!(plan(&stuck), Plan::Impossible(reason) if reason.contains("rustup")));

    let old_release = Facts { apt: debian_apt().map(|apt| Apt { llvm: Some(19), ..apt }), ..no_apt };
    assert_eq!(plan(&old_release), Plan::Steps(vec![Step::RustupNightly]));
}

#[test]
fn a_complete_nightly_gets_its_linker_from_binstall_or_from_the_matching_llvm() {
    let mut facts = Facts { rustup: true, cxx: true, apt: apt(&["llvm-22-dev"]), ..Facts::default() };
    facts.found.rustup = whole(22);
    assert_eq!(plan(&facts), Plan::Steps(vec![install(&["llvm-22-dev"]), Step::BuildLinker(22)]));
    facts.binstall = true;
    assert_eq!(plan(&facts), Plan::Steps(vec![Step::FetchLinker]));
    facts.binstall = false;
    facts.found.rustup = whole(23);
    assert!(matches!(plan(&facts), Plan::Impossible(reason) if reason.contains("cargo binstall bpf-linker")));
}

#[test]
fn nothing_known_and_nothing_installable_says_what_to_install() {
    assert!(matches!(plan(&Facts::default()), Plan::Impossible(reason) if reason.contains("rustup.rs")));
}

#[test]
fn what_tests_need_is_installed_by_the_first_name_that_apt_knows() {
    let nginx: Row = (Need::Program("nginx"), &["nginx-light", "nginx"]);
    let dot: Row = (Need::Program("dot"), &["graphviz"]);
    let curl: Row = (Need::Program("curl"), &["curl"]);
    let facts = Facts { apt: debian_apt(), missing: vec![nginx, dot], npm: true, ..ready() };
    assert_eq!(plan(&facts), Plan::Steps(vec![install(&["graphviz", "nginx"]), Step::Npm]));
    let unknown = Facts { missing: vec![curl], ..facts };
    assert!(matches!(plan(&unknown), Plan::Impossible(reason) if reason.contains("curl")));
}

#[test]
fn without_sudo_only_the_steps_of_apt_are_handed_to_root() {
    assert_eq!(install(&["curl"]).for_root().as_deref(), Some("apt-get install --no-install-recommends curl"));
    assert_eq!(Step::BuildLinker(22).for_root(), None);
}

#[test]
fn a_package_that_starts_a_service_is_known_to_do_so() {
    let names = ["curl", "nginx-light", "nginx", "postgresql"].map(str::to_owned);
    assert_eq!(services(&names), ["nginx.service", "postgresql.service"]);
}
