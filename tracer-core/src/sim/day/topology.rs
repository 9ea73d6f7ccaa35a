//! The twelve services of the simulated day and the calls between them.
//!
//! Rates swing around their mean as those of a shop do: least in the early morning, most in the afternoon (UTC), by four
//! fifths either way, so from one request in some seconds to 500 a second. Invariant: calls name services by their place
//! in [`SERVICES`]. Memory: static tables.

use crate::time::Wall;
use std::f64::consts::TAU;

/// A program, and the port that it serves.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    pub name: &'static str,
    pub port: u16,
}

/// A call that happens all day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Places in [`SERVICES`].
    pub from: usize,
    pub to: usize,
    /// Requests a second, mean over the day.
    pub rate: f64,
    /// Median latency without load, milliseconds.
    pub latency_ms: f64,
}

pub static SERVICES: [Service; 12] = [
    service("gateway", 443),
    service("web", 8_080),
    service("api", 8_081),
    service("auth", 9_003),
    service("catalog", 9_001),
    service("search", 9_002),
    service("cart", 9_004),
    service("orders", 9_005),
    service("payments", 9_006),
    service("mailer", 9_007),
    service("cache", 6_379),
    service("database", 5_432),
];

pub static LINES: [Line; 16] = [
    line(0, 1, 277.0, 20.0),
    line(0, 2, 110.0, 15.0),
    line(1, 4, 80.0, 8.0),
    line(1, 5, 40.0, 30.0),
    line(1, 10, 200.0, 0.5),
    line(2, 3, 70.0, 3.0),
    line(2, 6, 50.0, 6.0),
    line(2, 7, 20.0, 12.0),
    line(6, 10, 60.0, 0.5),
    line(4, 11, 100.0, 4.0),
    line(7, 11, 30.0, 6.0),
    line(7, 8, 5.0, 80.0),
    line(8, 11, 8.0, 5.0),
    line(3, 11, 60.0, 2.0),
    line(5, 11, 25.0, 10.0),
    line(7, 9, 1.0, 40.0),
];

/// How far rates swing.
const SWING: f64 = 0.8;
/// Nanoseconds of a day, and when rates are at their mean and rise: nine o'clock.
const DAY: i64 = 86_400_000_000_000;
const RISE: i64 = DAY / 24 * 9;

const fn service(name: &'static str, port: u16) -> Service {
    Service { name, port }
}

const fn line(from: usize, to: usize, rate: f64, latency_ms: f64) -> Line {
    Line { from, to, rate, latency_ms }
}

/// How much of its mean rate every call has at a moment.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a day, exact below 2^53")]
pub(super) fn factor(at: Wall) -> f64 {
    1.0 + SWING * (TAU * (at.0 - RISE).rem_euclid(DAY) as f64 / DAY as f64).sin()
}

/// The service at that place.
#[must_use]
pub(super) fn service_at(place: usize) -> Service {
    SERVICES.get(place).copied().unwrap_or(Service { name: "nobody", port: 0 })
}
