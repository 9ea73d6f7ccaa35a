//! Both ends of a local connection, in step.
//!
//! Invariant: what one end sends the other receives, so both count the same bytes and give a request the same
//! sequence number. Memory: two sockets.

use super::records::reversed;
use super::socket::SimSocket;
use crate::input::Input;
use crate::time::{Moment, Span};
use tracer_common::{ProcessId, Tuple};

/// A connection between two processes of the host. The ends may also be driven one by one.
#[derive(Clone, Debug)]
pub struct Connection {
    pub client: SimSocket,
    pub server: SimSocket,
}

/// What an exchange takes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the client's send to the server's receive, and back.
    pub one_way: Span,
    /// From the server's receive to its send.
    pub server: Span,
}

impl Connection {
    /// `client` connects to `server`; `tuple` is as the client has it. The cookies of the ends are `cookie` and
    /// `cookie + 1`.
    pub fn open(
        cookie: u64,
        client: ProcessId,
        server: ProcessId,
        tuple: Tuple,
        at: Moment,
        out: &mut Vec<Input>,
    ) -> Self {
        let mut connecting = SimSocket::connect(cookie, client, tuple, at, out);
        connecting.established(at, out);
        let accepted = SimSocket::accept(cookie.wrapping_add(1), server, reversed(tuple), at);
        Self { client: connecting, server: accepted }
    }

    /// One request and its response; gives the moment at which the client has received it.
    pub fn exchange(
        &mut self,
        request_bytes: u32,
        response_bytes: u32,
        timing: Timing,
        at: Moment,
        out: &mut Vec<Input>,
    ) -> Moment {
        let received = at.after(timing.one_way);
        let answered = received.after(timing.server);
        let done = answered.after(timing.one_way);
        self.client.send(request_bytes, at, out);
        self.server.receive(request_bytes, received, out);
        self.server.send(response_bytes, answered, out);
        self.client.receive(response_bytes, done, out);
        done
    }

    /// The client closes, then the server.
    pub fn close(&mut self, at: Moment, out: &mut Vec<Input>) {
        self.client.close(at, out);
        self.server.receive(0, at, out);
        self.server.close(at, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{exchange, exec, input, process, socket, tuple};
    use tracer_common::{
        ExchangeRecord, ExecRecord, Header, Phase, RecordKind, Role, SocketCause, SocketRecord, Totals,
    };
    use zerocopy::FromBytes;

    fn bytes(input: &Input) -> &[u8] {
        let Input::Record(bytes) = input else { panic!("{input:?} is no record") };
        bytes
    }

    fn sockets(inputs: &[Input]) -> Vec<SocketRecord> {
        inputs.iter().filter_map(|input| SocketRecord::read_from_bytes(bytes(input)).ok()).collect()
    }

    fn exchanges(inputs: &[Input]) -> Vec<ExchangeRecord> {
        inputs.iter().filter_map(|input| ExchangeRecord::read_from_bytes(bytes(input)).ok()).collect()
    }

    fn open(out: &mut Vec<Input>) -> Connection {
        let ends = tuple("10.0.0.1:40000".parse().unwrap(), "[::1]:80".parse().unwrap());
        Connection::open(10, process(100), process(200), ends, Moment(1_000), out)
    }

    const TIMING: Timing = Timing { one_way: Span(10), server: Span(500) };

    #[test]
    fn every_record_names_its_kind_its_length_and_its_moment() {
        let at = Moment(77_000_000);
        let records = [
            (RecordKind::SOCKET, input(&socket(SocketCause::OWNER, at))),
            (RecordKind::EXCHANGE, input(&exchange(at))),
            (RecordKind::EXEC, input(&exec(process(5), b"/bin/true", &[b"true"], at))),
        ];
        for (kind, record) in &records {
            let (header, _) = Header::read_from_prefix(bytes(record)).unwrap();
            let length = bytes(record).len();
            assert_eq!((header.kind, usize::from(header.length), header.at), (*kind, length, at.0));
        }
    }

    #[test]
    fn both_ends_report_the_same_exchange_each_with_its_own_times() {
        let mut out = Vec::new();
        let mut connection = open(&mut out);
        let done = connection.exchange(30, 400, TIMING, Moment(2_000), &mut out);
        assert_eq!(done, Moment(2_520));
        connection.exchange(5, 6, TIMING, done, &mut out);
        connection.close(Moment(9_000), &mut out);

        let found = exchanges(&out);
        let of = |role| found.iter().filter(move |record| record.role == role).map(|record| record.exchange);
        for (client, server) in of(Role::CLIENT).zip(of(Role::SERVER)) {
            assert_eq!(client.request_sequence, server.request_sequence);
            assert_eq!((client.index, client.request_bytes), (server.index, server.request_bytes));
            assert_eq!(client.response_first - client.request_first, 520);
            assert_eq!(server.response_first - server.request_first, 500);
        }
        assert_eq!((of(Role::CLIENT).count(), of(Role::SERVER).count()), (2, 2));
        assert_eq!(of(Role::CLIENT).map(|exchange| exchange.request_sequence).collect::<Vec<_>>(), [1, 31]);
    }

    #[test]
    fn the_records_of_a_connection_come_in_the_order_in_which_the_kernel_sends_them() {
        let mut out = Vec::new();
        let mut connection = open(&mut out);
        connection.exchange(30, 400, TIMING, Moment(2_000), &mut out);
        connection.close(Moment(9_000), &mut out);
        let found = sockets(&out);
        let causes = found.iter().map(|record| (record.cookie, record.cause)).collect::<Vec<_>>();
        let expected = [
            (10, SocketCause::CONNECTING),
            (10, SocketCause::ESTABLISHED),
            (11, SocketCause::OWNER),
            (10, SocketCause::CLOSED),
            (11, SocketCause::CLOSED),
        ];
        assert_eq!(causes, expected);
        assert_eq!((found[0].tuple.local_port, found[1].tuple.local_port), (0, 40_000));
        assert_eq!((found[2].owner, found[2].described, found[2].totals.bytes_received), (process(200), 1, 0));
        assert_eq!(found[4].totals, Totals { requests: 1, responses: 1, bytes_sent: 400, bytes_received: 30 });
    }

    #[test]
    fn a_request_in_flight_is_seen_in_a_snapshot_and_never_becomes_an_exchange() {
        let mut out = Vec::new();
        let mut connection = open(&mut out);
        connection.client.send(30, Moment(2_000), &mut out);
        connection.client.snapshot(Moment(3_000), &mut out);
        connection.client.fail(104, Moment(4_000), &mut out);
        let found = sockets(&out);
        let [.., snapshot, end] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((snapshot.phase, snapshot.request_first, snapshot.error), (Phase::REQUEST, 2_000, 0));
        assert_eq!((end.cause, end.error, end.totals.requests, end.totals.responses), (SocketCause::CLOSED, 104, 1, 0));
        assert!(exchanges(&out).is_empty());
    }

    #[test]
    fn a_socket_handed_to_another_process_is_reported_with_the_totals_before() {
        let mut out = Vec::new();
        let mut connection = open(&mut out);
        connection.client.send(30, Moment(2_000), &mut out);
        connection.client.hand_to(process(101));
        connection.client.send(5, Moment(3_000), &mut out);
        let owner = *sockets(&out).last().unwrap();
        assert_eq!((owner.cause, owner.owner, owner.totals.bytes_sent), (SocketCause::OWNER, process(101), 30));
    }

    #[test]
    fn an_exec_record_is_cut_as_the_kernel_programs_cut_it() {
        let long = vec![b'x'; 600];
        let ExecRecord { arguments_length, arguments_cut, comm, filename, .. } =
            exec(process(5), &long, &[&long], Moment(1));
        assert_eq!((arguments_length, arguments_cut), (512, 1));
        assert_eq!((comm[14], comm[15], filename[126], filename[127]), (b'x', 0, b'x', 0));
        let short = exec(process(5), b"/bin/ls", &[b"ls", b"-l"], Moment(1));
        assert_eq!((&short.arguments[..7], short.arguments_length, short.arguments_cut), (&b"ls\0-l\0\0"[..], 6, 0));
        assert_eq!(&short.comm[..3], b"ls\0");
    }
}
