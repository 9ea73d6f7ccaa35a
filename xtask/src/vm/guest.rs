//! A guest: one boot of a kernel under QEMU, without hardware acceleration, so that it is the same on every machine.
//!
//! Invariant: a guest sees this machine's files and cannot change them; it writes to one directory, and it is ended
//! by the handle of its process when its time is up. Memory: what it says on its serial line, in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::emulator::Emulator;
use super::image::Image;
use super::kernels::Machine;

/// How often we look whether a guest has ended.
const LOOK: Duration = Duration::from_millis(200);

/// The first process says this, and why or with which exit code it ended, last.
const MARKER: &str = "guest ended: ";

/// Where a guest's files come from.
pub(super) struct Root {
    /// A directory of this machine that the guest sees as `/`.
    pub(super) directory: PathBuf,
    /// Directories of this machine that it sees at the same place.
    pub(super) bound: Vec<PathBuf>,
}

/// One boot.
pub(super) struct Boot<'a> {
    pub(super) emulator: &'a Emulator,
    pub(super) image: &'a Image,
    pub(super) root: &'a Root,
    /// The directory that the guest writes to, and that says what it runs (`run.sh`).
    pub(super) out: &'a Path,
    /// What is added to the kernel's command line.
    pub(super) command_line: &'a str,
    pub(super) limit: Duration,
}

/// How a guest ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It ran to its end.
    Whole,
    /// It did not, for this reason.
    Early(String),
}

/// Boots, and waits for the end.
pub(super) fn run(boot: &Boot<'_>) -> Result<Ended> {
    let serial = boot.out.with_extension("serial");
    let output = File::create(&serial).with_context(|| format!("creating {}", serial.display()))?;
    let errors = output.try_clone().context("the serial line's file")?;
    let mut guest = boot
        .emulator
        .command()
        .args(arguments(boot))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .context("starting the emulator")?;
    let end = Instant::now() + boot.limit;
    let in_time = loop {
        if guest.try_wait().context("waiting for a guest")?.is_some() {
            break true;
        }
        if Instant::now() > end {
            // It may end at this very moment; either way it is waited for.
            drop(guest.kill());
            guest.wait().context("waiting for a guest")?;
            break false;
        }
        std::thread::sleep(LOOK);
    };
    let said = fs::read(&serial).with_context(|| format!("reading {}", serial.display()))?;
    let ended = if in_time {
        ended(&String::from_utf8_lossy(&said))
    } else {
        Ended::Early(format!("it ran longer than {} s and was ended", boot.limit.as_secs()))
    };
    Ok(match ended {
        Ended::Early(reason) => Ended::Early(format!("{reason} (its serial line: {})", serial.display())),
        whole => whole,
    })
}

/// Reads the marker.
fn ended(serial: &str) -> Ended {
    match serial.lines().rev().find_map(|line| line.trim_end().strip_prefix(MARKER)) {
        Some("0") => Ended::Whole,
        Some(reason) => Ended::Early(reason.to_owned()),
        None => Ended::Early("it stopped without saying why".to_owned()),
    }
}

fn arguments(boot: &Boot<'_>) -> Vec<String> {
    let machine = boot.image.kernel.machine;
    let hardware: &[&str] = match machine {
        Machine::X86 => &["-cpu", "max"],
        Machine::Arm => &["-machine", "virt", "-cpu", "cortex-a72"],
    };
    let bus = match machine {
        Machine::X86 => "pci",
        Machine::Arm => "pci,romfile=",
    };
    let share = |tag: &str, directory: &Path, options: &str| {
        [
            "-fsdev".to_owned(),
            format!("local,path={},security_model=none,id={tag}{options}", directory.display()),
            "-device".to_owned(),
            format!("virtio-9p-{bus},fsdev={tag},mount_tag={tag}"),
        ]
    };
    let fixed = [
        "-accel",
        "tcg,thread=multi",
        "-m",
        "2048",
        "-smp",
        "1",
        "-nographic",
        "-no-reboot",
        "-nodefaults",
        "-serial",
        "stdio",
        "-monitor",
        "none",
    ];
    let mut arguments: Vec<String> = hardware.iter().chain(&fixed).map(|word| (*word).to_owned()).collect();
    arguments.extend(["-kernel".to_owned(), boot.image.vmlinuz.display().to_string()]);
    arguments.extend(["-initrd".to_owned(), boot.image.first_root.display().to_string()]);
    arguments.extend(["-append".to_owned(), kernel_command_line(boot)]);
    // Device numbers of several file systems are kept apart; nothing of this machine can be written.
    arguments.extend(share("host", Path::new("/"), ",readonly=on,multidevs=remap"));
    arguments.extend(share("out", boot.out, ""));
    arguments
}

fn kernel_command_line(boot: &Boot<'_>) -> String {
    let console = match boot.image.kernel.machine {
        Machine::X86 => "ttyS0 edd=off",
        Machine::Arm => "ttyAMA0",
    };
    let bound = boot.root.bound.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(",");
    let (root, modules) = (boot.root.directory.display(), boot.image.modules.display());
    format!(
        "console={console} panic=-1 quiet {} vm.root={root} vm.bind={bound} vm.modules={modules}",
        boot.command_line
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::kernels::named;

    fn with_arguments(name: &str, check: impl Fn(&[String])) {
        let kernel = named(&[name.to_owned()]).unwrap()[0];
        let image = Image {
            kernel,
            release: "6.12.1".to_owned(),
            version: "6.12.1-1".to_owned(),
            vmlinuz: PathBuf::from("/k/vmlinuz"),
            modules: PathBuf::from("/k/modules"),
            first_root: PathBuf::from("/k/first-root.cpio"),
        };
        let root = Root { directory: PathBuf::from("/r"), bound: vec![PathBuf::from("/a"), PathBuf::from("/b")] };
        let emulator = Emulator::unpacked(Path::new("/e"), "qemu-system-x86_64", Machine::X86);
        let boot = Boot {
            emulator: &emulator,
            image: &image,
            root: &root,
            out: Path::new("/o"),
            command_line: "lockdown=integrity",
            limit: Duration::from_secs(1),
        };
        check(&arguments(&boot));
    }

    #[test]
    fn a_guest_cannot_write_to_the_machines_files_and_is_told_where_its_root_is() {
        for name in ["6.12-generic", "6.12-arm64"] {
            with_arguments(name, |arguments| {
                let shares: Vec<_> = arguments.iter().filter(|word| word.starts_with("local,path=")).collect();
                assert_eq!(shares.len(), 2);
                assert!(shares[0].starts_with("local,path=/,") && shares[0].contains("readonly=on"), "{shares:?}");
                assert!(shares[1].starts_with("local,path=/o,"), "{shares:?}");
                let line = &arguments[arguments.iter().position(|word| word == "-append").unwrap() + 1];
                for word in ["lockdown=integrity", "vm.root=/r", "vm.bind=/a,/b", "vm.modules=/k/modules"] {
                    assert!(line.split(' ').any(|it| it == word), "{line}");
                }
            });
        }
    }

    #[test]
    fn the_marker_tells_a_whole_run_from_one_that_was_cut_and_from_one_that_failed() {
        assert_eq!(ended("boot\r\nguest ended: 0\r\n[ 9.1] reboot: Power down\r\n"), Ended::Whole);
        assert_eq!(ended("guest ended: no module 9p\r\n"), Ended::Early("no module 9p".to_owned()));
        assert!(matches!(ended("Kernel panic"), Ended::Early(reason) if reason.contains("without saying why")));
    }
}
