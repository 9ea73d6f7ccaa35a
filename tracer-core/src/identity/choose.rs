//! Which service a process is: the rules of naming in their order, and what each saw.
//!
//! Invariant: the first rule that finds a name names; [`explain`] and [`choose`] go through the same table.
//! Memory: one name.

use super::cgroup::{Place, Unit};
use super::rules::{Rules, Traits};
use super::{Port, naming};
use crate::graph::ServiceName;
use crate::input::Ancestor;
use std::borrow::Cow;

/// Hexadecimal digits by which a container without a name is called, as its runtime does.
const ID_DIGITS: usize = 12;

/// What is known of a process that may name it.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    pub exe: Option<&'a [u8]>,
    pub arguments: Cow<'a, [Vec<u8>]>,
    pub comm: Option<&'a [u8]>,
    /// The name that its environment gives.
    pub variable: Option<&'a [u8]>,
    pub cgroup: Option<&'a [u8]>,
    /// The name of its container or pod, where the runtime's files tell it.
    pub container: Option<&'a str>,
    /// The main process of its unit, where neither it nor a parent of it is.
    pub elder: Option<&'a Ancestor>,
    /// Its parents, nearest first.
    pub ancestors: &'a [Ancestor],
    /// What it listens on.
    pub ports: Vec<Port>,
}

/// What one rule made of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static str,
    /// For a person: as found, to be escaped by whoever shows it.
    pub saw: String,
    pub name: Option<ServiceName>,
}

/// A way to name a process.
struct Way {
    rule: &'static str,
    name: fn(&Subject<'_>, &Rules) -> Option<ServiceName>,
    saw: fn(&Subject<'_>, &Rules) -> String,
}

/// The order of the rules.
const WAYS: [Way; 6] = [
    Way { rule: "configuration", name: configured, saw: saw_configured },
    Way { rule: "environment", name: by_variable, saw: saw_variable },
    Way { rule: "container or pod", name: contained, saw: saw_contained },
    Way { rule: "systemd unit", name: by_unit, saw: saw_unit },
    Way { rule: "script", name: by_script, saw: saw_command },
    Way { rule: "program", name: by_program, saw: saw_program },
];

/// The service that a process is; `None` when nothing is known of it.
#[must_use]
pub fn choose(subject: &Subject<'_>, rules: &Rules) -> Option<ServiceName> {
    WAYS.iter().find_map(|way| (way.name)(subject, rules))
}

/// What each rule saw, and what it would name the process, in order.
#[must_use]
pub fn explain(subject: &Subject<'_>, rules: &Rules) -> Vec<Finding> {
    WAYS.iter()
        .map(|way| Finding { rule: way.rule, saw: (way.saw)(subject, rules), name: (way.name)(subject, rules) })
        .collect()
}

fn configured(subject: &Subject<'_>, rules: &Rules) -> Option<ServiceName> {
    rules.find(&traits(subject)).map(|(_, name)| ServiceName::Service(name.to_owned()))
}

fn saw_configured(subject: &Subject<'_>, rules: &Rules) -> String {
    match rules.find(&traits(subject)) {
        Some((place, _)) => format!("[[service]] number {} of {} matches", place + 1, rules.len()),
        None if rules.is_empty() => "no [[service]] is given".to_owned(),
        None => format!("none of {} [[service]] matches; it listens on {}", rules.len(), listed(&subject.ports)),
    }
}

fn listed(ports: &[Port]) -> String {
    if ports.is_empty() {
        return "nothing".to_owned();
    }
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn traits<'a>(subject: &'a Subject<'_>) -> Traits<'a> {
    Traits {
        exe: subject.exe,
        arguments: &subject.arguments,
        unit: place(subject).unit.map(|unit| unit.name),
        ports: &subject.ports,
    }
}

fn by_variable(subject: &Subject<'_>, _: &Rules) -> Option<ServiceName> {
    subject.variable.map(naming::text).filter(|name| !name.trim().is_empty()).map(ServiceName::Service)
}

fn saw_variable(subject: &Subject<'_>, _: &Rules) -> String {
    match subject.variable {
        Some(value) => naming::text(value),
        None => format!("none of {} is set, or they cannot be read", super::environment::VARIABLES.join(", ")),
    }
}

fn place<'a>(subject: &Subject<'a>) -> Place<'a> {
    subject.cgroup.map(Place::of).unwrap_or_default()
}

fn contained(subject: &Subject<'_>, _: &Rules) -> Option<ServiceName> {
    let place = place(subject);
    let named = subject.container.filter(|name| !name.is_empty()).map(|name| naming::text(name.as_bytes()));
    if let Some(uid) = place.pod_uid() {
        return Some(ServiceName::Pod(named.unwrap_or(uid)));
    }
    let id = place.container?;
    Some(ServiceName::Container(named.unwrap_or_else(|| id.get(..ID_DIGITS).unwrap_or(id).to_owned())))
}

fn saw_contained(subject: &Subject<'_>, _: &Rules) -> String {
    subject
        .cgroup
        .map_or_else(|| "its control group is not known".to_owned(), |path| format!("in {}", naming::text(path)))
}

/// A unit names its main program: not what that starts, each of which is a service of its own.
fn by_unit(subject: &Subject<'_>, _: &Rules) -> Option<ServiceName> {
    let unit = place(subject).unit.filter(Unit::names_its_program)?;
    let own = naming::name(subject.exe, &subject.arguments, subject.comm);
    let is_main = match main_of(subject, &unit)? {
        Main::Itself => true,
        Main::Other(main) => own.is_some() && name_of(main) == own,
    };
    is_main.then(|| ServiceName::Unit(naming::text(unit.name.as_bytes())))
}

fn saw_unit(subject: &Subject<'_>, _: &Rules) -> String {
    let Some(unit) = place(subject).unit else { return "it is in no unit".to_owned() };
    let name = unit.name;
    if !unit.names_its_program() {
        return format!("{name} is a place for programs of any kind");
    }
    match main_of(subject, &unit) {
        Some(Main::Itself) => format!("it is the main process of {name}"),
        Some(Main::Other(main)) => {
            let program = name_of(main).unwrap_or_else(|| "not known".to_owned());
            format!("the main process of {name} is {}, its program {program}", main.pid)
        }
        None => format!("the main process of {name} is not known"),
    }
}

enum Main<'a> {
    Itself,
    Other(&'a Ancestor),
}

/// The main process of the unit that a process is in: the last of its ancestors there, unless an older process is
/// known to be. `None` where the first
/// ancestor outside of the unit is not known: then neither is the last inside.
fn main_of<'a>(subject: &Subject<'a>, unit: &Unit<'_>) -> Option<Main<'a>> {
    let is_inside = |ancestor: &Ancestor| {
        ancestor.cgroup.as_deref().and_then(|path| Place::of(path).unit).is_some_and(|other| other.path == unit.path)
    };
    let outside = subject.ancestors.iter().position(|ancestor| !is_inside(ancestor))?;
    let (inside, rest) = subject.ancestors.split_at_checked(outside)?;
    rest.first()?.cgroup.as_ref()?;
    Some(subject.elder.or(inside.last()).map_or(Main::Itself, Main::Other))
}

fn name_of(ancestor: &Ancestor) -> Option<String> {
    naming::name(ancestor.exe.as_deref(), &ancestor.arguments, ancestor.comm.as_deref())
}

fn by_script(subject: &Subject<'_>, _: &Rules) -> Option<ServiceName> {
    naming::script(subject.exe, &subject.arguments).map(ServiceName::Program)
}

fn saw_command(subject: &Subject<'_>, _: &Rules) -> String {
    if subject.arguments.is_empty() {
        return "its arguments are not known".to_owned();
    }
    naming::text(&subject.arguments.join(&b' '))
}

fn by_program(subject: &Subject<'_>, _: &Rules) -> Option<ServiceName> {
    naming::program(subject.exe, &subject.arguments, subject.comm).map(ServiceName::Program)
}

fn saw_program(subject: &Subject<'_>, _: &Rules) -> String {
    match (subject.exe, subject.comm) {
        (Some(exe), _) => naming::text(exe),
        (None, Some(comm)) => format!("its file is not known; it calls itself {}", naming::text(comm)),
        (None, None) => "its file is not known".to_owned(),
    }
}

#[cfg(test)]
mod tests;
