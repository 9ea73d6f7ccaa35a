//! Where a process runs, as the path of its control group tells: in a container, a Kubernetes pod, a systemd unit.
//!
//! Container runtimes and systemd name the groups that they make; the spellings are theirs, for cgroup v1 and v2, and
//! for both drivers (`cgroupfs`, `systemd`). The innermost says what a process is: a container started by a unit is a
//! container, and a pod in a container of its own cluster is that pod.
//! Invariant: a name is taken only from a whole segment of a known spelling. Memory: borrows of the path.

/// A control group's path, understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The id of the innermost container, as its runtime writes it: 64 hexadecimal digits.
    pub container: Option<&'a str>,
    /// The UID of the pod that it belongs to. With the systemd driver its dashes are written as underscores.
    pub pod: Option<&'a str>,
    pub unit: Option<Unit<'a>>,
}

/// A systemd service or scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// With its ending, such as `nginx.service`.
    pub name: &'a str,
    /// The path up to the unit: the same for all of its processes, whatever groups it has made below.
    pub path: &'a [u8],
}

impl Unit<'_> {
    /// Whether it is something that a person started or installed by this name. The manager of a user, a session, and
    /// the initial process are places where any program runs; what `systemd-run` makes has another name each time.
    #[must_use]
    pub fn names_its_program(&self) -> bool {
        let stem = self.name.strip_suffix(".service").filter(|stem| !stem.starts_with("user@"));
        stem.is_some_and(|stem| !is_transient(stem))
    }
}

/// Picks the path that tells most from `/proc/PID/cgroup` (cgroups(7)): lines of `hierarchy:controllers:path`.
#[must_use]
pub fn pick(contents: &[u8]) -> Option<&[u8]> {
    let line = |line: &'_ [u8]| -> Option<(u8, usize)> {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let (hierarchy, controllers) = (parts.next()?, parts.next()?);
        let rank = match (hierarchy, controllers) {
            (b"0", b"") => 0,
            (_, b"name=systemd") => 1,
            _ => 2,
        };
        Some((rank, hierarchy.len() + controllers.len() + 2))
    };
    let lines = contents.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut paths: Vec<(u8, &[u8])> =
        lines.filter_map(|whole| line(whole).and_then(|(rank, start)| Some((rank, whole.get(start..)?)))).collect();
    paths.sort_by_key(|(rank, _)| *rank);
    let paths = || paths.iter().map(|(_, path)| *path);
    let contained = || paths().find(|path| Place::of(path).is_contained());
    let in_a_unit = || paths().find(|path| Place::of(path).unit.is_some());
    contained().or_else(in_a_unit).or_else(|| paths().find(|path| *path != b"/")).or_else(|| paths().next())
}

/// The path as it is seen from inside the container that `own` is in, if it is in one: a tracer that runs in a
/// container tells what is inside apart, and not that all of it is inside.
#[must_use]
pub fn seen_from<'a>(own: &[u8], path: &'a [u8]) -> &'a [u8] {
    let place = Place::of(own);
    let Some(container) = place.container else { return path };
    let end = |path: &[u8]| {
        let at = path.windows(container.len()).rposition(|window| window == container.as_bytes())?;
        let rest = path.get(at..)?;
        Some(at + rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len()))
    };
    let inside = end(own).and_then(|end| path.strip_prefix(own.get(..end)?));
    match inside {
        Some([]) => b"/",
        Some(rest @ [b'/', ..]) => rest,
        _ => path,
    }
}

impl<'a> Place<'a> {
    /// Understands a path.
    #[must_use]
    pub fn of(path: &'a [u8]) -> Self {
        let mut place = Self::default();
        let mut at = 0;
        for segment in path.split(|byte| *byte == b'/') {
            let end = at + segment.len();
            if let Ok(segment) = std::str::from_utf8(segment) {
                place.enter(segment, path.get(..end).unwrap_or(path));
            }
            at = end + 1;
        }
        place
    }

    /// Whether it is in a container or a pod.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        self.container.is_some() || self.pod.is_some()
    }

    /// The pod's UID as Kubernetes writes it: `01234567-89ab-cdef-0123-456789abcdef`, or without dashes that of a static pod.
    #[must_use]
    pub fn pod_uid(&self) -> Option<String> {
        self.pod.map(|pod| pod.replace('_', "-"))
    }

    fn enter(&mut self, segment: &'a str, path: &'a [u8]) {
        // containerd writes slice, prefix and id in one when it is told to use systemd and there is none.
        let (slice, id) = match segment.split(':').collect::<Vec<_>>().as_slice() {
            [slice, "cri-containerd" | "crio", id] => (*slice, *id),
            _ => (segment, segment),
        };
        if let Some(pod) = pod(slice) {
            (self.pod, self.container) = (Some(pod), None);
        }
        if let Some(container) = container(id) {
            // A container that is not directly in a pod's group is one that runs inside of it, and is not the pod.
            let nested = self.container.is_some();
            self.pod = self.pod.filter(|_| !nested);
            self.container = Some(container);
            self.unit = None;
        } else if let Some(name) = unit(segment) {
            self.unit = Some(Unit { name, path });
        }
    }
}

/// `pod<UID>` (cgroupfs), `kubepods-burstable-pod<UID>.slice` (systemd).
fn pod(segment: &str) -> Option<&str> {
    let uid = match segment.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod").filter(|(parents, _)| parents.contains("kubepods"))?.1,
        None => match segment.split_once("-pod") {
            Some((parents, uid)) if parents.contains("kubepods") => uid,
            _ => segment.strip_prefix("pod")?,
        },
    };
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = uid.bytes().filter(|byte| matches!(byte, b'-' | b'_')).count();
    (digits == 32 && matches!(dashes, 0 | 4) && digits + dashes == uid.len()).then_some(uid)
}

/// `<id>` (cgroupfs), `docker-<id>.scope` (systemd). Podman's and CRI-O's `conmon` watches a container from outside.
fn container(segment: &str) -> Option<&str> {
    const PREFIXES: [&str; 6] = ["docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-", "buildkit-"];
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    let id = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Whether systemd-run made up the name: `run-u12` (its connection), `run-p812-i813` (its process, its inode), `run-r`
/// and 32 random digits.
fn is_transient(stem: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = stem.strip_prefix("run-") else { return false };
    if let Some(random) = rest.strip_prefix('r') {
        return random.len() >= 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some(connection) = rest.strip_prefix('u') {
        return is_number(connection);
    }
    let process = rest.strip_prefix('p').and_then(|rest| rest.split_once("-i"));
    process.is_some_and(|(pid, inode)| is_number(pid) && is_number(inode))
}

/// A service or a scope; systemd puts `_` before a name that would be a file of the kernel.
fn unit(segment: &str) -> Option<&str> {
    let name = segment.strip_prefix('_').unwrap_or(segment);
    let stem = name.strip_suffix(".service").or_else(|| name.strip_suffix(".scope"))?;
    (!stem.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    /// What a path gives: `container`, `pod`, `unit`, with `I` for the id and `U` for the UID.
    fn read(path: &str) -> (bool, Option<String>, Option<String>) {
        let path = spell(path);
        let place = Place::of(path.as_bytes());
        assert!(place.container.is_none_or(|id| id == ID));
        (place.container.is_some(), place.pod_uid(), place.unit.map(|unit| unit.name.to_owned()))
    }

    fn spell(path: &str) -> String {
        path.replace("{I}", ID).replace("{U}", UID).replace("{V}", &UID.replace('-', "_"))
    }

    #[test]
    fn the_containers_of_every_runtime_are_found_under_both_drivers_and_both_versions() {
        for path in [
            "/docker/{I}",
            "/system.slice/docker-{I}.scope",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{I}.scope",
            "/custom-parent/{I}",
            "/docker/{I}/init.scope/..",
            "/libpod_parent/libpod-{I}",
            "/machine.slice/libpod-{I}.scope",
            "/machine.slice/libpod-{I}.scope/container",
            "/machine.slice/machine-libpod_pod_{I}.slice/libpod-{I}.scope/container",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{I}.scope/container",
            "/system.slice/nerdctl-{I}.scope",
            "/default/{I}",
            "/ecs/11112222/{I}",
        ] {
            let (container, pod, _) = read(path);
            assert!(container && pod.is_none(), "{path}");
        }
    }

    #[test]
    fn the_pods_of_kubernetes_are_found_under_both_drivers_and_both_versions() {
        for path in [
            "/kubepods/burstable/pod{U}/{I}",
            "/kubepods/besteffort/pod{U}/crio-{I}",
            "/kubepods/pod{U}/{I}",
            "/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{I}.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/cri-containerd-{I}.scope",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{V}.slice/crio-{I}.scope",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{V}.slice/docker-{I}.scope",
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{V}.slice/cri-containerd-{I}.scope",
            "/system.slice/containerd.service/kubepods-burstable-pod{V}.slice:cri-containerd:{I}",
            "/docker/{I}/kubelet/kubepods/burstable/pod{U}/{I}",
            "/../../kubepods/burstable/pod{U}/{I}",
        ] {
            assert_eq!(read(path), (true, Some(UID.to_owned()), None), "{path}");
        }
        let hash = UID.replace('-', "");
        let still = format!("/kubepods/burstable/pod{hash}/{ID}");
        assert_eq!(Place::of(still.as_bytes()).pod_uid(), Some(hash), "a static pod");
    }

    #[test]
    fn a_unit_is_the_innermost_service_or_scope() {
        for (path, unit, names) in [
            ("/system.slice/nginx.service", "nginx.service", true),
            ("/system.slice/system-postgresql.slice/postgresql@15-main.service", "postgresql@15-main.service", true),
            ("/system.slice/foo.service/worker/1", "foo.service", true),
            ("/system.slice/_cpu.service", "cpu.service", true),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "foo.service", true),
            ("/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", false),
            ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service", false),
            ("/system.slice/run-u12.service", "run-u12.service", false),
            ("/system.slice/run-r0123456789abcdef.service", "run-r0123456789abcdef.service", false),
            ("/system.slice/run-p812-i813.service", "run-p812-i813.service", false),
            ("/system.slice/run-nightly.service", "run-nightly.service", true),
            ("/system.slice/run-report.service", "run-report.service", true),
            ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", false),
            ("/init.scope", "init.scope", false),
        ] {
            let place = Place::of(path.as_bytes());
            let found = place.unit.unwrap();
            assert_eq!((found.name, found.names_its_program()), (unit, names), "{path}");
            assert!(!place.is_contained(), "{path}");
        }
        let deep = b"/system.slice/foo.service/worker/1";
        assert_eq!(Place::of(deep).unit.unwrap().path, b"/system.slice/foo.service");
    }

    #[test]
    fn what_only_resembles_a_container_or_a_unit_is_none() {
        for path in [
            "",
            "/",
            "/user.slice",
            "/machine.slice/libpod-conmon-{I}.scope",
            "/system.slice/crio-conmon-{I}.scope",
            "/libpod_parent/conmon",
            "/docker/{I}0",
            "/docker/0123456789abcdef",
            "/kubepods/podinfo",
            "/kubepods/pod01234567",
            "/kubepods.slice/other-pod{V}.slice",
            "/.service",
        ] {
            let (container, pod, unit) = read(path);
            let unit = unit.filter(|unit| !unit.contains("conmon"));
            assert_eq!((container, pod, unit), (false, None, None), "{path}");
        }
        assert_eq!(Place::of(b"/\xff\xfe.service"), Place::default());
    }

    #[test]
    fn a_container_inside_a_container_is_the_inner_one_and_its_units_are_its_own() {
        let inner = ID.replace('0', "f");
        let path = format!("/docker/{ID}/system.slice/docker-{inner}.scope");
        assert_eq!(Place::of(path.as_bytes()).container, Some(inner.as_str()));
        assert_eq!(read("/system.slice/docker-{I}.scope/system.slice/cron.service").2.as_deref(), Some("cron.service"));
        let in_pod = format!("/kubepods/pod{UID}/{ID}/docker/{inner}");
        assert_eq!(Place::of(in_pod.as_bytes()), Place { container: Some(&inner), pod: None, unit: None });
    }

    #[test]
    fn the_line_that_tells_most_is_picked_whatever_the_hierarchy() {
        for (expected, contents) in [
            ("/system.slice/a.service", "0::/system.slice/a.service\n"),
            ("/system.slice/a.service", "12:pids:/x\n1:name=systemd:/system.slice/a.service\n0::/\n"),
            ("/docker/{I}", "4:memory:/docker/{I}\n1:name=systemd:/system.slice/a.service\n0::/\n"),
            ("/group", "4:memory:/group\n0::/\n"),
            ("/", "4:memory:/\n0::/\n"),
            ("/with:colon.service", "0::/with:colon.service\n"),
        ] {
            let (expected, contents) = (spell(expected), spell(contents));
            assert_eq!(pick(contents.as_bytes()), Some(expected.as_bytes()), "{contents}");
        }
        assert_eq!(pick(b""), None);
        assert_eq!(pick(b"no colon\n\xff\n"), None);
    }

    #[test]
    fn from_inside_a_container_what_is_inside_is_told_apart() {
        let own = spell("/docker/{I}/init");
        for (path, seen) in [
            ("/docker/{I}", "/"),
            ("/docker/{I}/system.slice/a.service", "/system.slice/a.service"),
            ("/docker/other", "/docker/other"),
            ("/docker/{I}x", "/docker/{I}x"),
        ] {
            assert_eq!(seen_from(own.as_bytes(), spell(path).as_bytes()), spell(seen).as_bytes(), "{path}");
            assert_eq!(seen_from(b"/user.slice/session-1.scope", spell(path).as_bytes()), spell(path).as_bytes());
        }
    }
}
