//! What a person calls a process: its program, or for an interpreter the script, module or archive that it runs.
//!
//! Invariant: the name is taken from what was executed and its arguments, not from a name the process gave itself
//! (`comm`), unless nothing else is known. Memory: one name of at most `limits::NAME_BYTES`.

use crate::limits;

/// The name of a process.
///
/// `exe` is the executed file, `arguments` the argument vector; both may be unknown.
#[must_use]
pub fn name(exe: Option<&[u8]>, arguments: &[Vec<u8>], comm: Option<&[u8]>) -> Option<String> {
    script(exe, arguments).or_else(|| program(exe, arguments, comm))
}

/// The script, module or archive that a process runs, if its program is an interpreter.
#[must_use]
pub fn script(exe: Option<&[u8]>, arguments: &[Vec<u8>]) -> Option<String> {
    let first = arguments.first().map(Vec::as_slice);
    // A script that names its interpreter (`#!`) is executed under its own name with the interpreter's arguments.
    let interpreter = [exe.or(first), first].into_iter().flatten().map(base_name).find_map(interpreter)?;
    interpreter(arguments.get(1..).unwrap_or_default()).map(|script| text(&script)).filter(|name| !name.is_empty())
}

/// The program of a process.
#[must_use]
pub fn program(exe: Option<&[u8]>, arguments: &[Vec<u8>], comm: Option<&[u8]>) -> Option<String> {
    let program = exe.or(arguments.first().map(Vec::as_slice)).map(base_name).filter(|program| !program.is_empty());
    program.or(comm).map(text).filter(|name| !name.is_empty())
}

type FindScript = fn(&[Vec<u8>]) -> Option<Vec<u8>>;

/// How to find the script in an interpreter's arguments, by the name of the interpreter without its version.
fn interpreter(program: &[u8]) -> Option<FindScript> {
    let end = program.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.').map_or(0, |last| last + 1);
    match program.get(..end)? {
        b"python" | b"pypy" | b"python-dbg" => Some(python),
        b"node" | b"nodejs" | b"ruby" | b"perl" | b"php" | b"bun" | b"lua" | b"Rscript" | b"tclsh" => Some(file),
        b"bash" | b"sh" | b"dash" | b"zsh" | b"ksh" => Some(shell),
        b"java" => Some(java),
        b"dotnet" => Some(file),
        b"deno" => Some(deno),
        _ => None,
    }
}

/// `python [options] script`, `python -m module`; `-c` runs no file.
fn python(arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_slice() {
            b"-m" => return rest.next().cloned(),
            b"-c" | b"-" => return None,
            b"-W" | b"-X" | b"--check-hash-based-pycs" => _ = rest.next(),
            option if option.starts_with(b"-m") => return option.get(2..).map(<[u8]>::to_vec),
            option if option.starts_with(b"-") => {}
            file => return Some(base_name(file).to_vec()),
        }
    }
    None
}

/// `interpreter [options] script`; `-e` and `-r` run no file, or take a value.
fn file(arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_slice() {
            b"-e" | b"-p" | b"--eval" | b"--print" | b"-" => return None,
            b"-r" | b"--require" | b"--import" | b"--loader" | b"-I" | b"-d" => _ = rest.next(),
            option if option.starts_with(b"-") => {}
            file => return Some(base_name(file).to_vec()),
        }
    }
    None
}

/// `sh [options] script`; `-c` runs no file.
fn shell(arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
    for argument in arguments {
        match argument.as_slice() {
            option if option.starts_with(b"-") && !option.starts_with(b"--") && option.contains(&b'c') => return None,
            option if option.starts_with(b"-") || option.starts_with(b"+") => {}
            file => return Some(base_name(file).to_vec()),
        }
    }
    None
}

/// `java [options] -jar archive` or `java [options] main.Class`.
fn java(arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_slice() {
            b"-jar" => return rest.next().map(|file| base_name(file).to_vec()),
            b"-m" | b"--module" => return rest.next().cloned(),
            b"-cp" | b"-classpath" | b"--class-path" | b"-p" | b"--module-path" | b"--add-modules" => {
                rest.next();
            }
            option if option.starts_with(b"-") => {}
            class => return Some(class.to_vec()),
        }
    }
    None
}

/// `deno run [options] script`.
fn deno(arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
    match arguments.first()?.as_slice() {
        b"run" | b"serve" => file(arguments.get(1..)?),
        _ => None,
    }
}

/// What the kernel puts behind the path of a file that was deleted.
pub(super) const DELETED: &[u8] = b" (deleted)";

/// What follows the last slash, without the mark of a deleted file.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(DELETED).unwrap_or(path);
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Text of a bounded length; what is not UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..limits::NAME_BYTES).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(exe: &str, arguments: &[&str]) -> String {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        name(Some(exe.as_bytes()), &arguments, Some(b"comm")).unwrap()
    }

    #[test]
    fn a_program_has_the_name_of_its_file_and_an_interpreter_that_of_what_it_runs() {
        for (expected, exe, arguments) in [
            ("nginx", "/usr/sbin/nginx", &["nginx: master process /usr/sbin/nginx"][..]),
            ("api.py", "/usr/bin/python3.11", &["python3", "-u", "-X", "dev", "/srv/api.py", "--port", "80"]),
            ("manage.py", "/usr/bin/python3", &["python3", "manage.py", "runserver"]),
            ("http.server", "/usr/bin/python3.11", &["python3", "-m", "http.server", "8000"]),
            ("python3.11", "/usr/bin/python3.11", &["python3", "-c", "import this"]),
            ("python3", "/usr/bin/python3", &["python3"]),
            ("server.js", "/usr/bin/node", &["node", "--inspect", "-r", "dotenv/config", "server.js"]),
            ("app.jar", "/usr/lib/jvm/bin/java", &["java", "-Xmx1g", "-cp", "/lib/*", "-jar", "/opt/app.jar"]),
            ("kafka.Kafka", "/usr/bin/java", &["java", "-cp", "x.jar", "kafka.Kafka", "server.properties"]),
            ("deploy.sh", "/bin/bash", &["bash", "-eu", "/opt/deploy.sh"]),
            ("bash", "/bin/bash", &["bash", "-ec", "psql -h localhost"]),
            ("api.py", "/srv/api.py", &["/usr/bin/python3", "/srv/api.py"]),
            ("redis-server", "/usr/bin/redis-server", &["redis-server *:6379"]),
            ("server", "/srv/server (deleted)", &["./server"]),
        ] {
            assert_eq!(named(exe, arguments), expected, "{exe} {arguments:?}");
        }
    }

    #[test]
    fn without_a_file_the_arguments_name_the_process_and_without_both_its_comm() {
        assert_eq!(name(None, &[b"/bin/sleepy".to_vec()], Some(b"x")).unwrap(), "sleepy");
        assert_eq!(name(None, &[], Some(b"kworker/0:1")).unwrap(), "kworker/0:1");
        assert_eq!(name(None, &[], None), None);
    }

    #[test]
    fn a_hostile_name_is_cut_and_made_text() {
        let long = vec![b'x'; 4096];
        assert_eq!(name(Some(&long), &[], None).unwrap().len(), limits::NAME_BYTES);
        assert_eq!(name(Some(b"/bin/\xff\xfe"), &[], None).unwrap(), "\u{fffd}\u{fffd}");
    }
}
