//! What the programs tell of the bytes of connections: chosen by port, or by socket.
//!
//! Invariant: the programs look a choice up again when the version has changed, which is told with the next look.
//! Memory: the maps'.

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData};
use tracer_common::Capture as Level;
use tracer_core::identity::Transport;
use tracer_core::input::{Capture, Choice, Place};

/// `ListenerKey` and `Choice`, as bytes.
type Ports = HashMap<MapData, [u8; 8], [u8; 8]>;
/// A cookie, and `Choice` as bytes.
type Sockets = HashMap<MapData, u64, [u8; 8]>;

/// The choices, and how often they changed.
pub(super) struct Choices {
    ports: Ports,
    sockets: Sockets,
    version: u32,
}

impl Choices {
    pub(super) fn new(ports: Map, sockets: Map) -> Result<Self> {
        Ok(Self {
            ports: Ports::try_from(ports).context("the map CAPTURES_OF_PORTS")?,
            sockets: Sockets::try_from(sockets).context("the map CAPTURES")?,
            version: 1,
        })
    }

    /// What the programs compare with.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Chooses for a port, or for a socket. An error leaves the programs as before.
    pub(super) fn choose(&mut self, choice: Choice) -> Result<()> {
        let mut value = match choice.capture {
            Capture::None => [Level::NONE, 0, 0, 0, 0, 0, 0, 0],
            Capture::Opening => [Level::OPENING, 0, 0, 0, 0, 0, 0, 0],
            Capture::Heads { error } => {
                [Level::HEADS, error.map_or(0, |error| error.at), error.map_or(0, |error| error.byte), 0, 0, 0, 0, 0]
            }
            Capture::Stream => [Level::STREAM, 0, 0, 0, 0, 0, 0, 0],
            Capture::Streams => [Level::STREAM, 0, 0, 1, 0, 0, 0, 0],
        };
        value[4] = u8::from(choice.busy);
        match choice.place {
            Place::Socket(cookie) => {
                self.sockets.insert(cookie, value, 0).context("choose what is told of a socket")?;
            }
            Place::Port { netns, port, transport } => {
                let number: u16 = match transport {
                    Transport::Tcp => 0,
                    Transport::Udp => 1,
                    Transport::Unix => return Ok(()),
                };
                let mut key = [0; 8];
                let words = [netns.to_ne_bytes().as_slice(), &port.to_ne_bytes(), &number.to_ne_bytes()].concat();
                key.copy_from_slice(&words);
                self.ports.insert(key, value, 0).context("choose what is told of a port")?;
            }
        }
        self.version = self.version.wrapping_add(1);
        Ok(())
    }
}
