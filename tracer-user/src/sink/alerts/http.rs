//! Sending JSON over HTTP: what the webhook and the Alertmanager have in common.
//!
//! TLS is rustls with ring, no library of the system; the roots are those of the host (the files that OpenSSL reads, or
//! `SSL_CERT_FILE`), else Mozilla's, or those of `ca_file` alone. No redirect is followed: it could take a secret
//! elsewhere. Invariant: no error shows the path or the query of the URL, nor a header. Memory: one message; 4 KiB of an
//! answer.

use super::Failure;
use super::secret::Secret;
use super::settings::{Form, SinkKey, SinkSettings};
use anyhow::{Context as _, Result, bail};
use std::sync::Arc;
use std::time::Duration;
use tracer_core::escape::printable;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

/// Bytes of an answer that are read.
const ANSWER_BYTES: u64 = 4 << 10;
/// How long they are waited for: the status has decided by then.
const ANSWER_TIME: Duration = Duration::from_secs(1);

pub(super) static KEYS: [SinkKey; 9] = [
    key("url", "Where to send to, `http://` or `https://`. Must be given, here or by one of the next two."),
    key("url_env", "The variable of the environment that holds the URL, where that is a secret."),
    key("url_file", "The file that holds the URL."),
    key("token_env", "The variable that holds a secret to send with each message."),
    key("token_file", "The file that holds it; read for each message."),
    SinkKey {
        name: "token_header",
        about: "The header that the secret is sent in; in `Authorization` it follows the word `Bearer`.",
        form: Form::Text,
        default: Some("Authorization"),
    },
    key("ca_file", "Trust these certificates (PEM) and no others."),
    SinkKey { name: "timeout", about: "How long one attempt may take.", form: Form::Time, default: Some("10s") },
    SinkKey {
        name: "connect_timeout",
        about: "How long to wait for the connection.",
        form: Form::Time,
        default: Some("5s"),
    },
];

const fn key(name: &'static str, about: &'static str) -> SinkKey {
    SinkKey { name, about, form: Form::Text, default: None }
}

/// Where to send to, and how.
pub(super) struct Client {
    agent: Agent,
    url: Secret,
    /// Put behind the path of the URL.
    path: &'static str,
    token: Option<(String, Secret)>,
}

impl Client {
    pub(super) fn new(settings: &SinkSettings, path: &'static str) -> Result<Self> {
        let name = &settings.name;
        let url = Secret::of(settings, "url")?;
        let url = url.with_context(|| format!("the sink `{name}` has no `url`, `url_env` or `url_file`"))?;
        let token = Secret::of(settings, "token")?;
        let header = settings.text("token_header").unwrap_or("Authorization").to_owned();
        if ureq::http::HeaderName::try_from(&header).is_err() {
            bail!("the sink `{name}`: `{}` is no name of a header", printable(&header, 60));
        }
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots(settings)?).build())
            .timeout_global(Some(settings.time("timeout")))
            .timeout_connect(Some(settings.time("connect_timeout")))
            .timeout_recv_body(Some(ANSWER_TIME))
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("tracer/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = Self { agent: config.new_agent(), url, path, token: token.map(|token| (header, token)) };
        // What cannot be used is said before anything is observed.
        client.target()?;
        if let Some((_, token)) = &client.token {
            token.read()?;
        }
        Ok(client)
    }

    fn target(&self) -> Result<Uri> {
        let text =
            format!("{}{}", self.url.read()?.trim_end_matches(if self.path.is_empty() { ' ' } else { '/' }), self.path);
        let uri: Option<Uri> = text.parse().ok();
        let known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        match uri.filter(known) {
            Some(uri) => Ok(uri),
            None => bail!("the URL in {} is none: it must begin with http:// or https://", self.url.place()),
        }
    }

    /// Sends a body; `id` is the same each time the same is sent.
    pub(super) fn post(&self, id: Option<&str>, body: &[u8]) -> Result<(), Failure> {
        let target = self.target().map_err(|error| Failure::later(format!("{error:#}")))?;
        let shown = shown(&target);
        let mut request = self.agent.post(&target).header("Content-Type", "application/json");
        if let Some(id) = id {
            request = request.header("Idempotency-Key", id);
        }
        if let Some((header, token)) = &self.token {
            let token = token.read().map_err(|error| Failure::later(format!("{error:#}")))?;
            let value = if header.eq_ignore_ascii_case("authorization") { format!("Bearer {token}") } else { token };
            request = request.header(header, value);
        }
        let mut answer = request.send(body).map_err(|error| Failure::later(format!("{shown}: {}", reason(&error))))?;
        let status = answer.status();
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        // Read, so that the connection can be used again.
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).lossy_utf8(true).read_to_string();
        if status.is_success() {
            return Ok(());
        }
        let text = text.ok().map(|text| printable(text.trim(), 200)).filter(|text| !text.is_empty());
        let reason = format!("{shown} answers {status}{}", text.map(|text| format!(": {text}")).unwrap_or_default());
        match status.as_u16() {
            // The message itself is not wanted; sent again it would hold up all that follow.
            400 | 413 | 415 | 422 => Err(Failure::Never { reason }),
            // All else may be mended at the other end, or in the configuration: a wrong token, a wrong path.
            _ => Err(Failure::Later { reason, after: after.map(Duration::from_secs) }),
        }
    }
}

/// A URL without what may be a secret in it.
pub(super) fn shown(uri: &Uri) -> String {
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    printable(&format!("{}://{}{port}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default()), 120)
}

/// What went wrong; an error that would show the URL is told in other words.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) | ureq::Error::Http(_) => {
            "it cannot be asked".to_owned()
        }
        other => printable(&other.to_string(), 200),
    }
}

fn roots(settings: &SinkSettings) -> Result<RootCerts> {
    if let Some(path) = settings.path("ca_file") {
        let text = crate::files::read_whole(&path)?;
        let found: Vec<Certificate<'static>> = ureq::tls::parse_pem(&text)
            .filter_map(|item| if let Ok(PemItem::Certificate(found)) = item { Some(found) } else { None })
            .collect();
        if found.is_empty() {
            bail!("{} holds no certificate (PEM)", path.display());
        }
        return Ok(RootCerts::Specific(Arc::new(found)));
    }
    let host = rustls_native_certs::load_native_certs().certs;
    if host.is_empty() {
        return Ok(RootCerts::WebPki);
    }
    let found = host.iter().map(|found| Certificate::from_der(found).to_owned()).collect();
    Ok(RootCerts::Specific(Arc::new(found)))
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
