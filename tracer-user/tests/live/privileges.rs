//! Where the tracer cannot run it says in one line what is missing and what to do, and ends with 2.
//!
//! Invariant: nothing is left loaded. Memory: none.

use crate::host::binary;
use std::process::{Command, Output};

fn refused(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(2));
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// The binary where a user without privileges can execute it.
fn public_binary(folder: &crate::host::Folder) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = folder.file("tracer");
    std::fs::copy(binary(), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

#[test]
fn without_root_the_missing_capabilities_are_named() {
    let folder = crate::host::Folder::new("nobody");
    let said = refused(
        Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(public_binary(&folder))
            .args(["watch", "--for", "1s"]),
    );
    assert!(said.contains("CAP_BPF") && said.contains("CAP_PERFMON") && said.contains("sudo"), "{said}");
}

#[test]
fn without_one_capability_that_one_is_named() {
    let said = refused(
        Command::new("setpriv")
            .args(["--bounding-set", "-perfmon,-sys_admin", "--inh-caps", "-perfmon,-sys_admin"])
            .arg(binary())
            .args(["watch", "--for", "1s"]),
    );
    assert!(said.contains("CAP_PERFMON") && !said.contains("CAP_BPF"), "{said}");
}

#[test]
fn without_the_kernels_type_information_that_is_said() {
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" watch --for 1s";
    let said = refused(Command::new("unshare").args(["--mount", "sh", "-c", hide]).arg(binary()));
    assert!(said.contains("BTF"), "{said}");
}

#[test]
fn wrong_usage_is_told_apart_by_its_exit_code() {
    let status = Command::new(binary()).args(["watch", "--no-such-option"]).output().unwrap().status;
    assert_eq!(status.code(), Some(64));
}

#[test]
fn the_doctor_tries_every_hook_here() {
    let output = Command::new(binary()).arg("doctor").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    // A kernel without the trace points on sockets is told to be one, and has its system calls traced.
    let degraded = said.lines().any(|line| line.starts_with("warn  plane") && line.contains("system calls"));
    let on_each_call: &[&str] = if degraded { &["sys_exit"] } else { &["sock_send_length", "sock_recv_length"] };
    for hook in on_each_call.iter().chain(&["inet_sock_set_state", "tcp_destroy_sock"]) {
        assert!(said.lines().any(|line| line.starts_with("ok") && line.contains(hook)), "{said}");
    }
}

/// On one CPU the tracer loads its programs one after the other, always in the same order.
const ONE_THREAD: [&str; 3] = ["taskset", "--cpu-list", "0"];

/// The `bpf()` calls that it takes to begin to watch, by number, without the loads of programs: those are tried again.
fn calls_that_count() -> Vec<usize> {
    let output = Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-qq", "-e", "trace=bpf", "-e", "signal=none"])
        .args(ONE_THREAD)
        .arg(binary())
        .args(["watch", "--for", "100ms", "--output", "json"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let calls = said.lines().take_while(|line| !line.contains("watching")).filter(|line| line.contains("bpf("));
    let count = |(nth, line): (usize, &str)| (!line.contains("BPF_PROG_LOAD")).then_some(nth + 1);
    calls.enumerate().filter_map(count).collect()
}

/// A system call that the kernel refuses stands for a kernel that lacks what it asks for.
#[test]
fn whatever_the_kernel_refuses_is_named_in_one_line_or_as_a_degradation() {
    let folder = crate::host::Folder::new("refused");
    let graph = folder.file("graph.json");
    let mut degraded = Vec::new();
    for nth in calls_that_count() {
        let _ = std::fs::remove_file(&graph);
        let output = Command::new("strace")
            .args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=bpf"])
            .args(["-e", &format!("inject=bpf:error=EINVAL:when={nth}")])
            .args(ONE_THREAD)
            .arg(binary())
            .args(["watch", "--for", "100ms", "--output", "json", "--export", graph.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let complaints = said.lines().filter(|line| line.starts_with("tracer: ")).count();
        match output.status.code() {
            Some(0) => {
                let graph = crate::host::Graph::read(&graph);
                let names = graph.0["completeness"]["degraded"].as_array().unwrap().iter();
                degraded.extend(names.map(|one| one["name"].as_str().unwrap().to_owned()));
            }
            Some(2) => assert_eq!((complaints, said.lines().count() <= 2), (1, true), "{nth}: {said}"),
            other => panic!("{nth}: {other:?} {said}"),
        }
    }
    for hook in ["sched_process_exec", "tcp_receive_reset", "tcp_send_reset", "tcp_retransmit_skb"] {
        assert!(degraded.iter().any(|name| name.contains(hook)), "{hook}: {degraded:?}");
    }
}
