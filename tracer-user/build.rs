//! Compiles the kernel programs of each plane and leaves the objects in `OUT_DIR`, where `include_bytes!` finds them.
//!
//! Invariant: writes under `OUT_DIR` alone. Memory: none to speak of; the compiler's own.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use xtask::bpf_object;

/// The objects, a plane each, and the features that make them.
const PLANES: [(&str, &[&str]); 2] = [("tracer-ebpf", &[]), ("tracer-ebpf-system-calls", &["system-calls"])];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let variable = |name: &str| env::var(name).with_context(|| format!("cargo sets {name} for build scripts"));
    let package = variable("CARGO_MANIFEST_DIR")?;
    let workspace = Path::new(&package).parent().context("the package lies in a workspace")?;
    for source in bpf_object::SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    ensure!(variable("CARGO_CFG_TARGET_ENDIAN")? == "little", "tracer runs on little-endian machines only");

    let out = variable("OUT_DIR")?;
    let out = Path::new(&out);
    let architecture = variable("CARGO_CFG_TARGET_ARCH")?;
    for (name, features) in PLANES {
        let object = bpf_object::build(workspace, &out.join("bpf"), &architecture, features)?;
        let destination = out.join(name);
        fs::copy(&object, &destination)
            .with_context(|| format!("copying {} to {}", object.display(), destination.display()))?;
    }
    Ok(())
}
