//! What the fields of a message say (RFC 9113 §8.3): what is asked for, and how it was answered.
//!
//! Invariant: a field that is not known is not guessed. Memory: the values of six fields.

use compact_str::CompactString;

use super::super::Operation;
use super::super::http::route::route;
use super::table::{Field, Name};

/// Bytes of a method.
const METHOD_BYTES: usize = 24;
/// In place of a method that is not known.
const UNKNOWN: &str = "?";
const GRPC: &str = "application/grpc";

/// The fields of one header block.
#[derive(Debug, Default)]
pub(super) struct Fields {
    method: Option<CompactString>,
    path: Option<CompactString>,
    authority: Option<CompactString>,
    has_scheme: bool,
    pub(super) status: Option<u16>,
    pub(super) grpc_status: Option<CompactString>,
    /// The content is gRPC's, or it is not.
    content: Option<bool>,
    /// Some fields refer to what was sent before anybody looked.
    pub(super) has_unknown: bool,
}

/// Whether a stream is a call of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grpc {
    Yes,
    No,
    /// What would say so is not known.
    Perhaps,
}

impl Fields {
    pub(super) fn take(&mut self, field: Field) {
        let Field { name, value } = field;
        match name {
            Name::Authority => self.authority = Some(value),
            Name::Method => self.method = Some(value),
            Name::Path => self.path = Some(value),
            Name::Scheme => self.has_scheme = true,
            Name::Status => self.status = value.parse().ok().filter(|status| (100..1_000).contains(status)),
            Name::GrpcStatus => self.grpc_status = Some(value),
            Name::ContentType => self.content = Some(is_grpc(&value)),
            Name::Unknown => self.has_unknown = true,
            Name::Other => {}
        }
    }

    /// Whether they begin a request: trailers have no such fields.
    pub(super) fn is_request(&self) -> bool {
        self.method.is_some() || self.path.is_some() || self.authority.is_some() || self.has_scheme
    }

    pub(super) fn grpc(&self) -> Grpc {
        match self.content {
            Some(true) => Grpc::Yes,
            None if self.has_unknown => Grpc::Perhaps,
            Some(false) | None => Grpc::No,
        }
    }

    /// What is asked for: of gRPC the method alone, since all is posted; of a tunnel by a path, such as a WebSocket's, the
    /// path (RFC 8441 §4).
    pub(super) fn operation(&self) -> Operation {
        let method = self.method.as_deref().map_or(UNKNOWN, |method| if is_method(method) { method } else { UNKNOWN });
        match (&self.path, &self.authority) {
            (Some(path), _) if self.content == Some(true) && is_call(path) => Operation::new(path, ""),
            (Some(path), _) => Operation::new(method, &route(b"", path.as_bytes())),
            (None, Some(authority)) if method == "CONNECT" => {
                Operation::new(method, &route(method.as_bytes(), authority.as_bytes()))
            }
            (None, _) => Operation::new(method, ""),
        }
    }
}

fn is_method(text: &str) -> bool {
    (1..=METHOD_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte))
}

/// `/package.Service/Method`: names of Protocol Buffers, and no values.
fn is_call(path: &str) -> bool {
    let is_name = |name: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
        name.starts_with(is_letter) && name.chars().all(|letter| is_letter(letter) || letter.is_ascii_digit())
    };
    let names = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    names.is_some_and(|(service, method)| service.split('.').all(is_name) && is_name(method))
}

/// `application/grpc`, `application/grpc+proto`, but not gRPC-Web, which has its status in the body.
fn is_grpc(content: &str) -> bool {
    content.strip_prefix(GRPC).is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(Name, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.take(Field { name: *name, value: CompactString::const_new(value) });
        }
        fields
    }

    #[test]
    fn an_operation_is_what_is_known_of_it() {
        let operation = |pairs: &[_]| fields(pairs).operation().as_str().to_owned();
        let grpc = (Name::ContentType, "application/grpc+proto");
        assert_eq!(operation(&[(Name::Method, "GET"), (Name::Path, "/a")]), "GET /a");
        assert_eq!(operation(&[(Name::Method, "POST"), (Name::Path, "/a.B/C"), grpc]), "/a.B/C");
        assert_eq!(operation(&[(Name::Method, "POST"), (Name::Unknown, ""), grpc]), "POST");
        assert_eq!(operation(&[(Name::Unknown, ""), (Name::Path, "/a")]), "? /a");
        assert_eq!(operation(&[(Name::Scheme, "")]), "?");
        assert_eq!(operation(&[(Name::Method, "CONNECT"), (Name::Authority, "db:5432")]), "CONNECT db:5432");
        assert_eq!(operation(&[(Name::Method, "POST"), (Name::Path, "/users/4711"), grpc]), "POST /users/{id}");
        let websocket = [(Name::Method, "CONNECT"), (Name::Scheme, ""), (Name::Authority, "a"), (Name::Path, "/chat")];
        assert_eq!(operation(&websocket), "CONNECT /chat");
        assert_eq!(operation(&[(Name::Method, "a b"), (Name::Path, "/a")]), "? /a");
    }

    #[test]
    fn grpc_is_said_by_the_content_and_may_be_where_that_is_not_known() {
        assert_eq!(fields(&[(Name::ContentType, "application/grpc")]).grpc(), Grpc::Yes);
        assert_eq!(fields(&[(Name::ContentType, "application/grpc-web+proto")]).grpc(), Grpc::No);
        assert_eq!(fields(&[(Name::ContentType, "text/html"), (Name::Unknown, "")]).grpc(), Grpc::No);
        assert_eq!(fields(&[(Name::Other, "")]).grpc(), Grpc::No);
        assert_eq!(fields(&[(Name::Unknown, "")]).grpc(), Grpc::Perhaps);
    }

    #[test]
    fn trailers_are_no_request() {
        assert!(fields(&[(Name::Scheme, "")]).is_request());
        assert!(!fields(&[(Name::Other, ""), (Name::Unknown, ""), (Name::GrpcStatus, "0")]).is_request());
    }
}
