//! What containers and pods are called, from the files that their runtimes keep. No runtime is asked: its socket is
//! root for whoever may talk to it, and it may be slow.
//!
//! Invariant: a file is read only for an id that a control group has shown, which is hexadecimal digits: nothing
//! hostile becomes part of a path. Memory: [`MOST_NAMES`] names; when full, all are forgotten and found again.

use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tracer_core::identity::cgroup::Place;
use tracer_core::limits;

/// Names remembered.
const MOST_NAMES: usize = 1_024;
/// Bytes of a runtime's file.
const MOST_BYTES: u64 = 4 << 20;
/// The lists of containers/storage: of containers that last; of those that go with their process (`podman run --rm`);
/// and of all, where nothing is to outlast a restart of the host.
const STORED: [&str; 3] = [
    "var/lib/containers/storage/overlay-containers/containers.json",
    "var/lib/containers/storage/overlay-containers/volatile-containers.json",
    "run/containers/storage/overlay-containers/volatile-containers.json",
];
/// Entries looked at in the folder of the pods' logs: a host has some hundred pods.
const MOST_PODS: usize = 4_096;

/// Names of containers and pods.
#[derive(Debug)]
pub(crate) struct Containers {
    root: PathBuf,
    names: HashMap<String, String>,
}

/// What Docker keeps of a container in `config.v2.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    name: String,
}

/// What containers/storage (Podman, CRI-O) keeps of each container in its lists.
#[derive(Deserialize)]
struct Stored {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

impl Default for Containers {
    fn default() -> Self {
        Self::below(Path::new("/"))
    }
}

impl Containers {
    fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), names: HashMap::new() }
    }

    /// The name of the container, or `NAMESPACE/NAME` of the pod, that a place is in.
    pub(crate) fn name(&mut self, place: &Place<'_>) -> Option<String> {
        let pod = place.pod_uid();
        let id = pod.as_deref().or(place.container)?;
        if let Some(name) = self.names.get(id) {
            return Some(name.clone());
        }
        let found = if pod.is_some() { self.pod(id) } else { self.docker(id).or_else(|| self.stored(id)) };
        let name = found.filter(|name| !name.is_empty() && name.len() <= limits::NAME_BYTES)?;
        if self.names.len() >= MOST_NAMES {
            self.names.clear();
        }
        self.names.insert(id.to_owned(), name.clone());
        Some(name)
    }

    fn docker(&self, id: &str) -> Option<String> {
        let file = self.root.join("var/lib/docker/containers").join(id).join("config.v2.json");
        let docker: Docker = serde_json::from_slice(&read(&file)?).ok()?;
        Some(docker.name.trim_start_matches('/').to_owned())
    }

    fn stored(&self, id: &str) -> Option<String> {
        STORED.iter().find_map(|list| {
            let stored: Vec<Stored> = serde_json::from_slice(&read(&self.root.join(list))?).ok()?;
            stored.into_iter().find(|container| container.id == id)?.names.into_iter().next()
        })
    }

    /// The kubelet keeps the logs of a pod in `/var/log/pods/NAMESPACE_NAME_UID`; neither name can have a `_`.
    fn pod(&self, uid: &str) -> Option<String> {
        let entries = std::fs::read_dir(self.root.join("var/log/pods")).ok()?;
        entries.take(MOST_PODS).filter_map(Result::ok).find_map(|entry| {
            let folder = entry.file_name().into_string().ok()?;
            match folder.split('_').collect::<Vec<_>>().as_slice() {
                [namespace, name, other] if *other == uid => Some(format!("{namespace}/{name}")),
                _ => None,
            }
        })
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut contents).ok()?;
    Some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    /// A host's files, which go with the test.
    struct Host(PathBuf);

    impl Host {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("tracer-containers-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&root);
            Self(root)
        }

        fn write(&self, path: &str, contents: &str) {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, contents).unwrap();
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn named(host: &Host, cgroup: &str) -> Option<String> {
        Containers::below(&host.0).name(&Place::of(cgroup.as_bytes()))
    }

    #[test]
    fn the_files_of_each_runtime_give_the_name() {
        let host = Host::new("names");
        let (docker, podman) = (ID.replace('0', "1"), ID.replace('0', "2"));
        let config = r#"{"State":{"Running":true},"Name":"/shop-web-1","Config":{"Env":["SECRET=x"]}}"#;
        host.write(&format!("var/lib/docker/containers/{docker}/config.v2.json"), config);
        let stored = format!(r#"[{{"id":"{ID}"}},{{"id":"{podman}","names":["db","other"],"layer":"x"}}]"#);
        host.write("var/lib/containers/storage/overlay-containers/containers.json", &stored);
        host.write(&format!("var/log/pods/other_web-1_{}/web/0.log", UID.replace('0', "1")), "");
        host.write(&format!("var/log/pods/shop_web-0_{UID}/web/0.log"), "");
        assert_eq!(named(&host, &format!("/docker/{docker}")).as_deref(), Some("shop-web-1"));
        assert_eq!(named(&host, &format!("/machine.slice/libpod-{podman}.scope")).as_deref(), Some("db"));
        assert_eq!(named(&host, &format!("/docker/{ID}")), None, "known, and without a name");
        assert_eq!(named(&host, &format!("/kubepods/pod{UID}/{ID}")).as_deref(), Some("shop/web-0"));
        assert_eq!(named(&host, "/system.slice/nginx.service"), None);
    }

    #[test]
    fn a_podman_container_that_goes_with_its_process_is_named_too() {
        for list in [
            "var/lib/containers/storage/overlay-containers/volatile-containers.json",
            "run/containers/storage/overlay-containers/volatile-containers.json",
        ] {
            let host = Host::new("volatile");
            host.write("var/lib/containers/storage/overlay-containers/containers.json", "[]");
            host.write(list, &format!(r#"[{{"id":"{ID}","names":["job"]}}]"#));
            assert_eq!(named(&host, &format!("/machine.slice/libpod-{ID}.scope")).as_deref(), Some("job"), "{list}");
        }
    }

    #[test]
    fn damaged_or_hostile_files_give_no_name() {
        let host = Host::new("hostile");
        assert_eq!(named(&host, &format!("/docker/{ID}")), None);
        host.write(&format!("var/lib/docker/containers/{ID}/config.v2.json"), "{\"Name\":");
        host.write("var/lib/containers/storage/overlay-containers/containers.json", "[1]");
        host.write(&format!("var/log/pods/{UID}/x"), "");
        assert_eq!(named(&host, &format!("/docker/{ID}")), None);
        assert_eq!(named(&host, &format!("/kubepods/pod{UID}/{ID}")), None);
        let long = format!(r#"{{"Name":"{}"}}"#, "x".repeat(limits::NAME_BYTES + 1));
        host.write(&format!("var/lib/docker/containers/{ID}/config.v2.json"), &long);
        assert_eq!(named(&host, &format!("/docker/{ID}")), None);
    }

    #[test]
    fn a_name_is_found_once_and_one_that_was_not_there_is_looked_for_again() {
        let host = Host::new("again");
        let mut containers = Containers::below(&host.0);
        let path = format!("/docker/{ID}");
        let place = Place::of(path.as_bytes());
        assert_eq!(containers.name(&place), None);
        host.write(&format!("var/lib/docker/containers/{ID}/config.v2.json"), r#"{"Name":"/a"}"#);
        assert_eq!(containers.name(&place).as_deref(), Some("a"));
        host.write(&format!("var/lib/docker/containers/{ID}/config.v2.json"), r#"{"Name":"/b"}"#);
        assert_eq!(containers.name(&place).as_deref(), Some("a"));
    }
}
