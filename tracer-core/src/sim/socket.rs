//! One socket as the kernel programs follow it: the same state, the same records at the same moments.
//!
//! Invariant: totals and phases change as in the kernel programs (requests counted at their first byte, responses at
//! theirs, an exchange emitted once, when the next begins or the socket closes). Memory: one `SocketState`.

use super::records::{TcpState, header, input, owned_socket};
use crate::input::Input;
use crate::time::Moment;
use tracer_common::{
    Exchange, ExchangeRecord, Phase, ProcessId, RecordKind, Role, SocketCause, SocketFlags, SocketRecord, SocketState,
    Tuple,
};
use zerocopy::FromZeros;

/// Sequence number of the first byte of both directions of every simulated connection.
const FIRST_SEQUENCE: u32 = 1;

/// A simulated TCP socket. Records go to the vector that each function takes.
#[derive(Clone, Debug)]
pub struct SimSocket {
    state: SocketState,
    /// Who does input and output on it.
    user: ProcessId,
    tcp_state: u8,
    /// errno.
    error: u32,
    /// Sequence number of the next byte to be read.
    received_sequence: u32,
}

impl SimSocket {
    /// Process `user` starts to connect.
    pub fn connect(cookie: u64, user: ProcessId, tuple: Tuple, at: Moment, out: &mut Vec<Input>) -> Self {
        let mut socket = Self::new(cookie, user, Tuple { local_port: 0, ..tuple }, Role::CLIENT, at);
        socket.tcp_state = TcpState::SYN_SENT;
        socket.state.owner = user;
        socket.state.owner_thread = user.pid;
        socket.emit(SocketCause::CONNECTING, at, out);
        socket.state.tuple = tuple;
        socket
    }

    /// A listening socket has accepted a connection, which `user` will serve. Emits nothing: as in the kernel, the
    /// owner is known at the first input or output.
    #[must_use]
    pub fn accept(cookie: u64, user: ProcessId, tuple: Tuple, at: Moment) -> Self {
        let mut socket = Self::new(cookie, user, tuple, Role::SERVER, at);
        socket.establish(at);
        socket
    }

    fn new(cookie: u64, user: ProcessId, tuple: Tuple, role: u8, at: Moment) -> Self {
        let state = SocketState {
            cookie,
            opened_at: at.0,
            tuple,
            exchange: Exchange::NONE,
            sent_sequence: FIRST_SEQUENCE,
            role,
            active_at: at.0,
            ..SocketState::new_zeroed()
        };
        Self { state, user, tcp_state: TcpState::ESTABLISHED, error: 0, received_sequence: FIRST_SEQUENCE }
    }

    /// The connect has succeeded.
    pub fn established(&mut self, at: Moment, out: &mut Vec<Input>) {
        self.establish(at);
        self.emit(SocketCause::ESTABLISHED, at, out);
    }

    fn establish(&mut self, at: Moment) {
        self.tcp_state = TcpState::ESTABLISHED;
        self.state.established_at = at.0;
        self.state.flags |= SocketFlags::ESTABLISHED;
    }

    /// The connect, or the connection, has failed with `error` (errno), 111 for a refused connect.
    pub fn fail(&mut self, error: u32, at: Moment, out: &mut Vec<Input>) {
        self.error = error;
        self.close(at, out);
    }

    /// From now on, `user` does input and output: as after a fork, or when the socket is handed over.
    pub fn hand_to(&mut self, user: ProcessId) {
        self.user = user;
    }

    /// `length` bytes are sent; with 0 nothing happens, as in the kernel programs.
    pub fn send(&mut self, length: u32, at: Moment, out: &mut Vec<Input>) {
        if length == 0 {
            return;
        }
        self.enter(at, out);
        self.state.totals.bytes_sent = self.state.totals.bytes_sent.saturating_add(u64::from(length));
        let sequence = self.state.sent_sequence;
        self.state.sent_sequence = sequence.wrapping_add(length);
        if self.state.role == Role::CLIENT {
            self.request(length, sequence, at, out);
        } else {
            self.response(length, at);
        }
    }

    /// `length` bytes are received; with 0, the end of the stream.
    pub fn receive(&mut self, length: u32, at: Moment, out: &mut Vec<Input>) {
        self.enter(at, out);
        if length == 0 {
            return;
        }
        self.state.totals.bytes_received = self.state.totals.bytes_received.saturating_add(u64::from(length));
        let sequence = self.received_sequence;
        self.received_sequence = sequence.wrapping_add(length);
        if self.state.role == Role::CLIENT {
            self.response(length, at);
        } else {
            self.request(length, sequence, at, out);
        }
    }

    /// So many exchanges at once, as the kernel counts those of a busy socket; `SocketLatencies` tells their times.
    pub fn count(&mut self, exchanges: u64, at: Moment, out: &mut Vec<Input>) {
        self.enter(at, out);
        let totals = &mut self.state.totals;
        totals.requests = totals.requests.saturating_add(exchanges);
        totals.responses = totals.responses.saturating_add(exchanges);
        totals.bytes_sent = totals.bytes_sent.saturating_add(exchanges.saturating_mul(100));
        totals.bytes_received = totals.bytes_received.saturating_add(exchanges.saturating_mul(1_000));
        self.state.phase = Phase::REPORTED;
    }

    /// The socket's cookie.
    #[must_use]
    pub fn cookie(&self) -> u64 {
        self.state.cookie
    }

    /// The periodic report, made whether or not something changed.
    pub fn snapshot(&self, at: Moment, out: &mut Vec<Input>) {
        self.emit(SocketCause::SNAPSHOT, at, out);
    }

    /// The end of the socket.
    pub fn close(&mut self, at: Moment, out: &mut Vec<Input>) {
        self.tcp_state = TcpState::CLOSE;
        self.finish(at, out);
        self.emit(SocketCause::CLOSED, at, out);
        self.state.flags |= SocketFlags::CLOSED;
    }

    fn enter(&mut self, at: Moment, out: &mut Vec<Input>) {
        self.state.active_at = at.0;
        self.state.owner_thread = self.user.pid;
        if self.state.owner != self.user {
            self.state.owner = self.user;
            self.emit(SocketCause::OWNER, at, out);
        }
    }

    fn request(&mut self, length: u32, sequence: u32, at: Moment, out: &mut Vec<Input>) {
        if self.state.phase != Phase::REQUEST {
            self.finish(at, out);
            self.state.totals.requests = self.state.totals.requests.saturating_add(1);
            self.state.exchange = Exchange {
                index: self.state.totals.requests,
                request_first: at.0,
                request_sequence: sequence,
                request_thread: self.state.owner_thread,
                ..Exchange::NONE
            };
            self.state.phase = Phase::REQUEST;
        }
        let exchange = &mut self.state.exchange;
        exchange.request_last = at.0;
        exchange.request_bytes = exchange.request_bytes.saturating_add(length);
    }

    fn response(&mut self, length: u32, at: Moment) {
        let exchange = &mut self.state.exchange;
        match self.state.phase {
            Phase::REQUEST => {
                self.state.totals.responses = self.state.totals.responses.saturating_add(1);
                exchange.response_first = at.0;
                exchange.response_thread = self.state.owner_thread;
                self.state.phase = Phase::RESPONSE;
            }
            Phase::RESPONSE => {}
            _ => return,
        }
        exchange.response_last = at.0;
        exchange.response_bytes = exchange.response_bytes.saturating_add(length);
    }

    fn finish(&mut self, at: Moment, out: &mut Vec<Input>) {
        if self.state.phase != Phase::RESPONSE {
            return;
        }
        self.state.phase = Phase::REPORTED;
        out.push(input(&ExchangeRecord {
            header: header::<ExchangeRecord>(RecordKind::EXCHANGE, at),
            cookie: self.state.cookie,
            owner: self.state.owner,
            totals: self.state.totals,
            exchange: self.state.exchange,
            role: self.state.role,
            padding: [0; 7],
        }));
    }

    fn emit(&self, cause: u8, at: Moment, out: &mut Vec<Input>) {
        let state = &self.state;
        out.push(input(&SocketRecord {
            cookie: state.cookie,
            tuple: state.tuple,
            totals: state.totals,
            opened_at: state.opened_at,
            established_at: state.established_at,
            request_first: if state.phase == Phase::REQUEST { state.exchange.request_first } else { 0 },
            owner_thread: state.owner_thread,
            error: self.error,
            role: state.role,
            phase: state.phase,
            tcp_state: self.tcp_state,
            flags: state.flags,
            exchange_index: state.exchange.index,
            active_at: state.active_at,
            ..owned_socket(state.owner, cause, at)
        }));
    }
}
