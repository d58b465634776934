//! `contacts.toml`.

use twocan::contacts::Contacts;

use super::{Target, texts};

pub const TARGET: Target = Target { name: "contacts", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    if let Ok(contacts) = Contacts::parse(data) {
        let _ = contacts;
    }
}

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "[[contact]]\nname = \"Anna\"\nkey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"\n",
        "[[contact]]\nname = \"Bert\"\nkey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHUvPONPuyGPGnAbl8BpGo7KOBbMDcBRd2ZIdWnIvAN\"\ndirect = [\"10.0.0.2:5010\", \"[::1]:22\"]\nvia_relay = false\nmay_ring = false\nphoto = \"bert.jpg\"\n",
        "[[contact]]\nname = \"\\u202eA\"\nkey = \"ssh-rsa AAAA\"\n",
    ])
}
