//! The names of this host's users, from `/etc/passwd`.
//!
//! Users that only a directory service knows have no name here; their number is shown. Invariant: a line that is no
//! passwd(5) entry is passed over. Memory: the first 32 KiB of the file, which fit into one frame of a tape.

use std::fs::File;
use std::io::Read as _;

const MOST_BYTES: u64 = 32 << 10;

/// Every number with the first name it has; nothing if the file cannot be read.
pub(crate) fn read() -> Vec<(u32, String)> {
    let mut bytes = Vec::new();
    let _ = File::open("/etc/passwd").and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Vec<(u32, String)> {
    let mut users: Vec<(u32, String)> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (name, number) = (fields.next(), fields.nth(1).and_then(|number| number.parse().ok()));
        if let (Some(name), Some(number)) = (name.filter(|name| !name.is_empty()), number)
            && !users.iter().any(|(known, _)| *known == number)
        {
            users.push((number, name.to_owned()));
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_each_number_is_taken_and_what_is_no_entry_is_not() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n# x\n:x:7:7\nwww-data:x:33:33::/:/bin/false\n";
        assert_eq!(parse(text), [(0, "root".to_owned()), (33, "www-data".to_owned())]);
    }
}
