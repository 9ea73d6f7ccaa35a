//! The conditions under which the tracer is tried: nothing missing, and each fault that a host may have.
//!
//! Invariant: a condition is made in the guest, never by a patched kernel or a changed tracer. Memory: one static table.

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Names the folder of its results.
    pub(super) id: &'static str,
    /// What the report calls it.
    pub(super) title: &'static str,
    /// What it needs on the kernel's command line; conditions with the same share a boot.
    pub(super) command_line: &'static str,
    /// The command, known to `run.sh`, that makes it and then runs its arguments.
    pub(super) wrapper: &'static [&'static str],
}

/// The one under which the live tests run.
pub(super) const PLAIN: Condition =
    Condition { id: "plain", title: "nothing missing", command_line: "", wrapper: &["env"] };

const INTEGRITY: &str = "lockdown=integrity";
const CONFIDENTIALITY: &str = "lockdown=confidentiality";

pub(super) const FAULTS: &[Condition] = &[
    Condition { id: "integrity", title: "`lockdown=integrity`", command_line: INTEGRITY, wrapper: &["env"] },
    Condition {
        id: "confidentiality",
        title: "`lockdown=confidentiality`",
        command_line: CONFIDENTIALITY,
        wrapper: &["env"],
    },
    in_guest("no-btf", "no BTF", &["hide", "/sys/kernel/btf"]),
    in_guest("no-tracefs", "no tracefs", &["hide", "/sys/kernel/tracing"]),
    in_guest("cgroup-v1", "control groups v1", &["cgroup_v1"]),
    in_guest("no-bpf", "without CAP_BPF", &["without", "bpf"]),
    in_guest("no-perfmon", "without CAP_PERFMON", &["without", "perfmon"]),
    in_guest("no-net-admin", "without CAP_NET_ADMIN", &["without", "net_admin"]),
    in_guest("no-sys-ptrace", "without CAP_SYS_PTRACE", &["without", "sys_ptrace"]),
    in_guest("no-dac-read-search", "without CAP_DAC_READ_SEARCH", &["without", "dac_read_search", "dac_override"]),
    in_guest("no-sys-resource", "without CAP_SYS_RESOURCE", &["without", "sys_resource"]),
    in_guest("no-sys-admin", "without CAP_SYS_ADMIN", &["without", "sys_admin"]),
    in_guest("no-bpf-no-sys-admin", "without CAP_BPF and CAP_SYS_ADMIN", &["without", "bpf", "sys_admin"]),
    in_guest("no-perfmon-no-sys-admin", "without CAP_PERFMON and CAP_SYS_ADMIN", &["without", "perfmon", "sys_admin"]),
    in_guest("least", "CAP_BPF and CAP_PERFMON alone", &["only", "bpf", "perfmon"]),
];

const fn in_guest(id: &'static str, title: &'static str, wrapper: &'static [&'static str]) -> Condition {
    Condition { id, title, command_line: "", wrapper }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn conditions_do_not_share_a_folder_and_their_commands_exist() {
        let all: Vec<_> = FAULTS.iter().chain([&PLAIN]).collect();
        let ids: BTreeSet<_> = all.iter().map(|condition| condition.id).collect();
        assert_eq!(ids.len(), all.len());
        for condition in all {
            let command = condition.wrapper[0];
            let function = format!("\n{command}() {{");
            assert!(command == "env" || crate::vm::runs::SCRIPT.contains(&function), "{command}");
        }
    }
}
