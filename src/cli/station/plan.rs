//! From what was configured to what a station runs with: who the server is, and by which way.

use anyhow::Context;

use crate::app::relay::Meets;
use crate::config::{Config, ConfigError, Paths, Station, StationServer, Through};
use crate::contacts::Contacts;
use crate::device::led;
use crate::identity::Identity;
use crate::station::log::{direct, relayed};
use crate::station::send::Destination;
use crate::station::streamer::Plan;
use crate::tunnel::RelayConfig;

/// Where event logs are kept in the state folder.
const LOGS: &str = "station-log";
/// What the light was before it was the station's, there.
const LIGHT: &str = "station-light";

fn asked(sentence: impl Into<String>) -> anyhow::Error {
    ConfigError::Asked(sentence.into()).into()
}

/// The plan of `station`.
///
/// # Errors
/// What cannot be had together, with what was expected; a key that can't be read or made.
pub(super) fn of(station: Station, config: &Config, paths: &Paths) -> anyhow::Result<Plan> {
    let Some(server) = station.server.clone() else {
        return Err(asked(
            "no server is named; expected --server HOST:PORT or `server` in [station]",
        ));
    };
    let to = match (server, station.through) {
        (StationServer::Tcp(server), Through::Direct) => Destination::Tcp(server),
        (StationServer::Udp(server), Through::Direct) => Destination::Udp(server),
        (StationServer::Tcp(server), Through::Relay) => {
            let (relay, identity) = relay(config, paths)?;
            Destination::Relayed { server, relay: Box::new(relay), identity }
        }
        (StationServer::Udp(_), Through::Relay) => {
            return Err(asked("a relay forwards no UDP; expected a server by TCP, HOST:PORT"));
        }
        (StationServer::Contact(name), Through::Direct) => contact(&name, config, paths)?,
        (StationServer::Contact(_), Through::Relay) => {
            return Err(asked(
                "a contact is found by itself, at the relay or not; expected --through direct",
            ));
        }
    };
    let (upload, who) = match (&station.log_server, station.through) {
        (None, _) => (None, None),
        (Some(server), Through::Direct) => {
            (Some((server.to_string(), direct(server.clone()))), None)
        }
        (Some(server), Through::Relay) => {
            let (relay, identity) = relay(config, paths)?;
            let connect = relayed(server.clone(), relay, &identity);
            (Some((server.to_string(), connect)), Some(identity.public().id32()))
        }
    };
    let named = station.log_dir.as_ref().map(|folder| folder.as_path().to_owned());
    let log_dir = named.unwrap_or_else(|| paths.state.join(LOGS));
    let (lights, light_before) = (led::ROOT.into(), paths.state.join(LIGHT));
    Ok(Plan { station, to, log_dir, who, upload, lights, light_before })
}

fn relay(config: &Config, paths: &Paths) -> anyhow::Result<(RelayConfig, Identity)> {
    let relay = Meets::new(config.relay.as_ref(), &paths.state).for_tunnel().ok_or_else(|| {
        asked("through the relay, and no relay is named; expected the section [relay]")
    })?;
    Ok((relay, Identity::load_or_create(&paths.state).context("this station's key")?))
}

fn contact(name: &str, config: &Config, paths: &Paths) -> anyhow::Result<Destination> {
    let contacts = Contacts::load(&paths.state).value;
    let found = contacts.by_name(name);
    let Some(known) = found else {
        return Err(asked(format!(
            "nobody is called {name}; expected a name of `twocan contact list`"
        )));
    };
    let identity = Identity::load_or_create(&paths.state).context("this station's key")?;
    let meets = Meets::new(config.relay.as_ref(), &paths.state);
    let mut tunnel =
        crate::app::tunnel_config(config, &meets, &identity, std::slice::from_ref(known));
    // A station goes to its server and lets nobody in.
    tunnel.door = None;
    Ok(Destination::Kiosk { tunnel: Box::new(tunnel), key: known.key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(station: &str) -> String {
        let state = tempfile::tempdir().unwrap();
        let named = Some(state.path().to_owned());
        let paths = Paths::find(None, named, None, |_| Some("/nowhere".into())).unwrap();
        let config = Config::parse("x", format!("[station]\n{station}").as_bytes()).unwrap();
        let error = of(config.station.clone().unwrap(), &config, &paths).err().unwrap();
        assert!(error.downcast_ref::<ConfigError>().is_some(), "exit code 2");
        error.to_string()
    }

    #[test]
    fn what_cannot_be_had_together_is_refused_with_what_was_expected() {
        assert!(refused("").starts_with("no server is named; expected --server"));
        let relay = "through = 'relay'\nserver = ";
        assert!(refused(&format!("{relay}'h:1'")).contains("expected the section [relay]"));
        assert!(refused(&format!("{relay}'udp:h:1'")).contains("no UDP"));
        assert!(refused(&format!("{relay}'twocan:Anna'")).contains("expected --through direct"));
        assert!(refused("server = 'twocan:Anna'").starts_with("nobody is called Anna; expected"));
    }
}
