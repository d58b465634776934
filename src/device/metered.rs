//! Whether the network is paid for by the byte, as NetworkManager says.
//!
//! ```text
//!  system bus: PropertiesChanged of NetworkManager, its coming and going ──> ask again
//!              Get org.freedesktop.NetworkManager Metered ──> 1 yes, 3 guessed yes ──> tell(true)
//!                                              no NetworkManager, anything else ──> tell(false)
//! ```
//! For a thread that sleeps until the bus has news. Without a bus it is not metered, and there is nothing
//! to wait for. The one place that says `zbus::`.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};

use zbus::Message;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::blocking::{Connection, MessageIterator, connection};
use zbus::message::{Flags, Type};
use zbus::zvariant::OwnedValue;

use crate::stop::{Stop, Wake};

const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// `NMMetered` of NetworkManager's D-Bus interface: yes, and what it concludes from the connection.
const YES: [u32; 2] = [1, 3];

/// The bus can't be talked to.
#[derive(Debug, thiserror::Error)]
pub enum MeteredError {
    /// Nobody listens.
    #[error("connect to the system bus: {0}")]
    Connect(io::Error),
    /// It said no, or nothing that is D-Bus.
    #[error("ask NetworkManager over the system bus: {0}")]
    Bus(#[from] zbus::Error),
    /// It hung up.
    #[error("the system bus hung up")]
    Gone,
}

/// Tells whether the network is metered: at the start, and whenever that changes.
pub struct Watch<F> {
    bus: Option<String>,
    tell: F,
    told: Option<bool>,
}

impl<F: FnMut(bool)> Watch<F> {
    /// On the system's bus; `tell` is called in the worker's thread.
    pub fn new(tell: F) -> Self {
        Self { bus: None, tell, told: None }
    }

    /// On the bus at this D-Bus address.
    pub fn at(address: String, tell: F) -> Self {
        Self { bus: Some(address), ..Self::new(tell) }
    }

    /// Follow it until `stop`; at once at an end where there is no bus.
    ///
    /// # Errors
    /// The bus takes no more, or hung up: it may be there again later.
    pub fn run(&mut self, stop: &Stop) -> Result<(), MeteredError> {
        let stream = match connect(self.bus.as_deref()) {
            Ok(stream) => stream,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                self.tell(false, "there is no system bus");
                return Ok(());
            }
            Err(cause) => return Err(MeteredError::Connect(cause)),
        };
        let line = Arc::new(Line(stream.try_clone().map_err(MeteredError::Connect)?));
        let waker: Weak<dyn Wake> = Arc::downgrade(&line) as Weak<dyn Wake>;
        stop.wakes(waker);
        if stop.is_stopped() {
            return Ok(());
        }
        let connection = connection::Builder::async_io_unix_stream(stream).build();
        let ended = connection.map_err(MeteredError::Bus).and_then(|bus| self.follow(&bus));
        if stop.is_stopped() { Ok(()) } else { ended }
    }

    fn tell(&mut self, metered: bool, why: &str) {
        if self.told.replace(metered) != Some(metered) {
            tracing::info!("the network is {}metered: {why}", if metered { "" } else { "not " });
            (self.tell)(metered);
        }
    }

    fn follow(&mut self, connection: &Connection) -> Result<(), MeteredError> {
        let messages = MessageIterator::from(connection);
        for rule in [
            format!(
                "type='signal',interface='{PROPERTIES}',path='{PATH}',arg0='{NETWORK_MANAGER}'"
            ),
            format!(
                "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',\
                 arg0='{NETWORK_MANAGER}'"
            ),
        ] {
            let bus = "org.freedesktop.DBus";
            connection.call_method(
                Some(bus),
                "/org/freedesktop/DBus",
                Some(bus),
                "AddMatch",
                &rule,
            )?;
        }
        let mut asked = question()?;
        connection.send(&asked)?;
        for message in messages {
            let message = message?;
            let answers = message.header().reply_serial() == Some(serial(&asked));
            match message.message_type() {
                Type::Signal if is_news(&message) => {
                    asked = question()?;
                    connection.send(&asked)?;
                }
                Type::MethodReturn if answers => {
                    let metered = YES.contains(&value(&message).unwrap_or_default());
                    self.tell(metered, "NetworkManager says so");
                }
                Type::Error if answers => self.tell(false, "there is no NetworkManager to ask"),
                _ => {}
            }
        }
        Err(MeteredError::Gone)
    }
}

/// Our end of the line to the bus: hung up at the stop, so that nobody waits for its news.
struct Line(UnixStream);

impl Wake for Line {
    fn wake(&self) {
        // One that is down already is what is wanted.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// To the bus at `address`, else to the one that `DBUS_SYSTEM_BUS_ADDRESS` names, else to the usual.
fn connect(address: Option<&str>) -> io::Result<UnixStream> {
    let address = address.map_or_else(zbus::Address::system, str::parse);
    let address = address.map_err(io::Error::other)?;
    match address.transport() {
        Transport::Unix(unix) => match unix.path() {
            UnixSocket::File(path) => UnixStream::connect(path),
            other => Err(io::Error::other(format!("the bus is at {other:?}, not at a path"))),
        },
        other => Err(io::Error::other(format!("the bus is at {other}, not at a Unix socket"))),
    }
}

/// What is asked. NetworkManager is not started for it.
fn question() -> Result<Message, zbus::Error> {
    Message::method_call(PATH, "Get")?
        .destination(NETWORK_MANAGER)?
        .interface(PROPERTIES)?
        .with_flags(Flags::NoAutoStart)?
        .build(&(NETWORK_MANAGER, "Metered"))
}

fn serial(message: &Message) -> std::num::NonZeroU32 {
    message.primary_header().serial_num()
}

fn is_news(message: &Message) -> bool {
    let header = message.header();
    let member = header.member().map(|member| member.as_str());
    matches!(member, Some("PropertiesChanged" | "NameOwnerChanged"))
}

fn value(reply: &Message) -> Option<u32> {
    let value: OwnedValue = reply.body().deserialize().ok()?;
    u32::try_from(&*value).ok()
}
