//! The order of the rules, and what each makes of processes as hosts show them.
//!
//! Invariant: expectations follow from what is written here. Memory: none.

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// A process as its command line and control group show it.
#[derive(Clone, Default)]
struct Seen {
    exe: &'static str,
    arguments: &'static [&'static str],
    cgroup: String,
    container: Option<&'static str>,
    variable: Option<&'static [u8]>,
    elder: Option<Ancestor>,
    ancestors: Vec<Ancestor>,
}

fn words(arguments: &[&str]) -> Vec<Vec<u8>> {
    arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect()
}

fn ancestor(pid: u32, exe: &str, arguments: &[&str], cgroup: Option<&str>) -> Ancestor {
    let cgroup = cgroup.map(|path| path.as_bytes().to_vec());
    Ancestor { pid, uid: None, comm: None, exe: Some(exe.as_bytes().to_vec()), arguments: words(arguments), cgroup }
}

fn init() -> Ancestor {
    ancestor(1, "/usr/lib/systemd/systemd", &["/sbin/init"], Some("/init.scope"))
}

fn with<T>(seen: &Seen, look: impl FnOnce(&Subject<'_>) -> T) -> T {
    let arguments = words(seen.arguments);
    look(&Subject {
        exe: Some(seen.exe.as_bytes()).filter(|exe| !exe.is_empty()),
        arguments: (&arguments).into(),
        comm: Some(b"comm"),
        variable: seen.variable,
        cgroup: Some(seen.cgroup.as_bytes()).filter(|path| !path.is_empty()),
        container: seen.container,
        elder: seen.elder.as_ref(),
        ancestors: &seen.ancestors,
        ports: vec![Port::Number(80)],
    })
}

fn id(seen: &Seen) -> String {
    with(seen, |subject| choose(subject, &Rules::default()).unwrap().id())
}

fn rules() -> Rules {
    serde_json::from_str(r#"[{"name":"shop","port":80}]"#).unwrap()
}

#[test]
fn the_rules_are_asked_in_their_order() {
    let mut seen = Seen {
        exe: "/usr/bin/python3.11",
        arguments: &["python3", "/srv/api.py"],
        cgroup: format!("/system.slice/docker-{ID}.scope/system.slice/api.service"),
        container: Some("web"),
        variable: Some(b"api"),
        elder: None,
        ancestors: vec![init()],
    };
    assert_eq!(with(&seen, |subject| choose(subject, &rules()).unwrap().id()), "service:shop");
    assert_eq!(id(&seen), "service:api");
    seen.variable = Some(b" ");
    assert_eq!(id(&seen), "container:web");
    seen.cgroup = "/system.slice/api.service".to_owned();
    assert_eq!(id(&seen), "unit:api.service");
    seen.cgroup = String::new();
    assert_eq!(id(&seen), "program:api.py");
    seen.arguments = &["python3"];
    assert_eq!(id(&seen), "program:python3.11");
    seen.exe = "";
    seen.arguments = &[];
    assert_eq!(id(&seen), "program:comm");
}

#[test]
fn a_container_is_called_by_its_name_or_the_first_digits_of_its_id_and_a_pod_by_its_own() {
    let pod = format!("/kubepods/burstable/pod{UID}/{ID}");
    for (expected, cgroup, container) in [
        ("container:web".to_owned(), format!("/docker/{ID}"), Some("web")),
        ("container:0123456789ab".to_owned(), format!("/docker/{ID}"), None),
        ("container:0123456789ab".to_owned(), format!("/docker/{ID}"), Some("")),
        ("pod:shop/web-0".to_owned(), pod.clone(), Some("shop/web-0")),
        (format!("pod:{UID}"), pod, None),
        ("program:nginx".to_owned(), "/".to_owned(), Some("web")),
    ] {
        assert_eq!(id(&Seen { exe: "/usr/sbin/nginx", cgroup, container, ..Seen::default() }), expected);
    }
}

#[test]
fn a_unit_names_its_main_process_and_what_runs_the_same_program() {
    let cgroup = "/system.slice/nginx.service".to_owned();
    let master = Seen { exe: "/usr/sbin/nginx", cgroup, ancestors: vec![init()], ..Seen::default() };
    assert_eq!(id(&master), "unit:nginx.service");
    assert_eq!(with(&master, |subject| choose(subject, &Rules::default()).unwrap().display()), "nginx");
    let up = ancestor(9, "/usr/sbin/nginx", &["nginx: master process"], Some("/system.slice/nginx.service"));
    let worker = Seen { ancestors: vec![up.clone(), init()], ..master.clone() };
    assert_eq!(id(&worker), "unit:nginx.service");
    let delegated = Seen { cgroup: "/system.slice/nginx.service/workers".to_owned(), ..worker };
    assert_eq!(id(&delegated), "unit:nginx.service");
    let other_unit = Seen { cgroup: "/system.slice/other.service".to_owned(), ..delegated };
    assert_eq!(id(&other_unit), "unit:other.service", "its parent is in another unit, so it is the main process");
}

#[test]
fn the_children_of_a_supervisor_or_of_cron_are_services_of_their_own() {
    let unit = "/system.slice/supervisor.service";
    let supervisor = ancestor(9, "/usr/bin/python3", &["python3", "/usr/bin/supervisord"], Some(unit));
    let child = |exe, arguments| Seen {
        exe,
        arguments,
        cgroup: unit.to_owned(),
        ancestors: vec![supervisor.clone(), init()],
        ..Seen::default()
    };
    assert_eq!(id(&child("/usr/bin/python3", &["python3", "/srv/worker.py"])), "program:worker.py");
    assert_eq!(id(&child("/usr/bin/redis-server", &["redis-server"])), "program:redis-server");
    assert_eq!(id(&child("/usr/bin/python3", &["python3", "/usr/bin/supervisord"])), "unit:supervisor.service");

    let cron = "/system.slice/cron.service";
    let job = Seen {
        exe: "/usr/bin/curl",
        arguments: &["curl", "http://127.0.0.1/"],
        cgroup: cron.to_owned(),
        ancestors: vec![
            ancestor(12, "/bin/sh", &["sh", "-c", "curl http://127.0.0.1/"], Some(cron)),
            ancestor(11, "/usr/sbin/cron", &["/usr/sbin/CRON", "-f"], Some(cron)),
            ancestor(10, "/usr/sbin/cron", &["/usr/sbin/cron", "-f"], Some(cron)),
            init(),
        ],
        ..Seen::default()
    };
    assert_eq!(id(&job), "program:curl");
}

#[test]
fn what_a_job_left_behind_is_not_taken_for_the_main_process_of_its_unit() {
    let cron = "/system.slice/cron.service";
    let elder = Some(ancestor(10, "/usr/sbin/cron", &["/usr/sbin/cron", "-f"], Some(cron)));
    let left =
        |exe| Seen { exe, cgroup: cron.to_owned(), elder: elder.clone(), ancestors: vec![init()], ..Seen::default() };
    assert_eq!(id(&left("/usr/bin/backup")), "program:backup");
    assert_eq!(id(&left("/usr/sbin/cron")), "unit:cron.service");
}

#[test]
fn a_place_for_programs_of_any_kind_names_none_of_them() {
    for cgroup in [
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service",
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "/init.scope",
    ] {
        let cgroup = cgroup.to_owned();
        let seen = Seen { exe: "/usr/bin/curl", cgroup, ancestors: vec![init()], ..Seen::default() };
        assert_eq!(id(&seen), "program:curl");
    }
}

#[test]
fn where_the_main_process_is_not_known_the_unit_names_nothing() {
    let unit = "/system.slice/a.service";
    let seen = |ancestors| Seen { exe: "/bin/a", cgroup: unit.to_owned(), ancestors, ..Seen::default() };
    let inside = || ancestor(9, "/bin/a", &["a"], Some(unit));
    assert_eq!(id(&seen(vec![])), "program:a");
    assert_eq!(id(&seen(vec![inside()])), "program:a", "the chain ends inside");
    assert_eq!(id(&seen(vec![inside(), ancestor(8, "/bin/b", &["b"], None)])), "program:a", "an unknown group");
}

#[test]
fn the_program_that_acts_names_the_process_and_not_what_started_it() {
    // Each of these executes the program in the end: what is asked about is the process that remains.
    let session = "/user.slice/user-1000.slice/session-3.scope";
    for (expected, starter, exe, arguments) in [
        ("curl", &["bash", "-c", "exec curl http://127.0.0.1/"][..], "/usr/bin/curl", &["curl", "x"][..]),
        ("curl", &["sudo", "curl", "x"], "/usr/bin/curl", &["curl", "x"]),
        ("curl", &["env", "A=b", "curl", "x"], "/usr/bin/curl", &["curl", "x"]),
        ("curl", &["nohup", "curl", "x"], "/usr/bin/curl", &["curl", "x"]),
        ("curl", &["timeout", "5", "curl", "x"], "/usr/bin/curl", &["curl", "x"]),
        ("curl", &["xargs", "curl"], "/usr/bin/curl", &["curl", "x"]),
        ("job.sh", &["cron", "-f"], "/bin/dash", &["/bin/sh", "/opt/job.sh"]),
        ("worker.py", &["sudo", "-u", "www", "worker.py"], "/usr/bin/python3", &["python3", "-u", "worker.py"]),
    ] {
        let started_by = starter.first().map(|name| ancestor(9, name, starter, Some(session))).unwrap();
        let cgroup = session.to_owned();
        let seen = Seen { exe, arguments, cgroup, ancestors: vec![started_by, init()], ..Seen::default() };
        assert_eq!(id(&seen), format!("program:{expected}"), "{starter:?}");
    }
}

#[test]
fn hostile_values_are_cut() {
    let long = "x".repeat(4096);
    let variable: &'static [u8] = b"\x1b]0;\x07\n\xff";
    let seen = Seen { exe: "/bin/a", variable: Some(variable), ..Seen::default() };
    assert_eq!(id(&seen), "service:\u{1b}]0;\u{7}\n\u{fffd}", "as found: whoever shows it escapes it");
    let cgroup = format!("/system.slice/{long}.service");
    let seen = Seen { exe: "/bin/a", cgroup, ancestors: vec![init()], ..Seen::default() };
    assert!(id(&seen).len() <= crate::limits::NAME_BYTES + "unit:".len());
}

#[test]
fn an_explanation_lists_every_rule_and_the_first_name_in_it_is_the_chosen_one() {
    let cgroup = "/system.slice/api.service".to_owned();
    let seen = Seen { exe: "/srv/api", arguments: &["api"], cgroup, ancestors: vec![init()], ..Seen::default() };
    with(&seen, |subject| {
        let findings = explain(subject, &rules());
        let named: Vec<(&str, Option<String>)> =
            findings.iter().map(|finding| (finding.rule, finding.name.as_ref().map(ServiceName::id))).collect();
        let expected = [
            ("configuration", Some("service:shop".to_owned())),
            ("environment", None),
            ("container or pod", None),
            ("systemd unit", Some("unit:api.service".to_owned())),
            ("script", None),
            ("program", Some("program:api".to_owned())),
        ];
        assert_eq!(named, expected);
        assert_eq!(findings.iter().find_map(|finding| finding.name.clone()), choose(subject, &rules()));
        assert_eq!(findings[3].saw, "it is the main process of api.service");
    });
}
