//! The names in `/etc/hosts`.
//!
//! Invariant: a line that is not an address and a name is passed over. Memory: the first 32 KiB of the file, which fit
//! into one frame of a tape.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;

const MOST_BYTES: u64 = 32 << 10;

/// Every address with its canonical name (hosts(5)); nothing if the file cannot be read.
pub(crate) fn read() -> Vec<(IpAddr, String)> {
    let mut bytes = Vec::new();
    let _ = File::open("/etc/hosts").and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Vec<(IpAddr, String)> {
    let entry = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        Some((words.next()?.parse::<IpAddr>().ok()?.to_canonical(), words.next()?.to_ascii_lowercase()))
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_each_address_is_taken_and_comments_are_not() {
        let text = "# hosts\n192.0.2.1 DB db-1 # the database\n::1 localhost\nnonsense\n192.0.2.2\n";
        let expected = [("192.0.2.1", "db"), ("::1", "localhost")];
        assert_eq!(parse(text), expected.map(|(address, name)| (address.parse().unwrap(), name.to_owned())));
    }
}
