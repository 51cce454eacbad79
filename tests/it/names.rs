//! A DNS server of a test's own: it knows what it was told, and says of everything else that there is no such thing.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// Records by type and by name, in lower case and without a dot at its end.
#[derive(Clone, Debug, Default)]
pub struct Records(BTreeMap<(u16, String), Vec<Vec<u8>>>);

const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;

impl Records {
    pub fn a(&mut self, name: &str, address: [u8; 4]) {
        self.0.entry((A, name.to_owned())).or_default().push(address.to_vec());
    }

    pub fn ptr(&mut self, address: [u8; 4], name: &str) {
        let [a, b, c, d] = address;
        let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
        let data: Vec<u8> = labels.chain([0]).collect();
        self.0.entry((PTR, format!("{d}.{c}.{b}.{a}.in-addr.arpa"))).or_default().push(data);
    }

    pub fn txt(&mut self, name: &str, text: &str) {
        let strings = text.as_bytes().chunks(255).flat_map(|part| [&[part.len() as u8], part].concat());
        self.0.entry((TXT, name.to_lowercase())).or_default().push(strings.collect());
    }

    /// Takes away the texts of a name.
    pub fn without_txt(&mut self, name: &str) {
        self.0.remove(&(TXT, name.to_lowercase())).unwrap_or_else(|| panic!("{name} has no text"));
    }

    pub fn without_a(&mut self, name: &str) {
        self.0.remove(&(A, name.to_owned())).unwrap_or_else(|| panic!("{name} has no address"));
    }

    pub fn without_ptr(&mut self) {
        self.0.retain(|(kind, _), _| *kind != PTR);
    }
}

/// A running server; it ends when this is dropped.
pub struct Names {
    pub address: SocketAddr,
    records: Arc<Mutex<Records>>,
    task: AbortHandle,
}

impl Names {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let records = Arc::<Mutex<Records>>::default();
        let task = tokio::spawn(serve(socket, records.clone())).abort_handle();
        Self { address, records, task }
    }

    /// Says this and nothing else from now on.
    pub fn know(&self, records: Records) {
        *self.records.lock().unwrap() = records;
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, records: Arc<Mutex<Records>>) {
    let mut packet = [0; 1500];
    loop {
        let (length, from) = socket.recv_from(&mut packet).await.unwrap();
        let answer = answer(&packet[..length], &records.lock().unwrap());
        socket.send_to(&answer, from).await.unwrap();
    }
}

/// RFC 1035 §4.1: the header, the question as it came, and the answers, whose name is that of the question.
fn answer(packet: &[u8], records: &Records) -> Vec<u8> {
    let mut labels = vec![];
    let mut at = 12;
    while packet[at] != 0 {
        let length = usize::from(packet[at]);
        labels.push(String::from_utf8_lossy(&packet[at + 1..=at + length]).to_lowercase());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([packet[at + 1], packet[at + 2]]);
    let name = labels.join(".");
    let found = records.0.get(&(kind, name.clone())).map(Vec::as_slice).unwrap_or_default();
    let is_known = records.0.keys().any(|(_, known)| *known == name || known.ends_with(&format!(".{name}")));
    // An answer, with recursion; NXDOMAIN where nothing has this name.
    let flags: [u8; 2] = [0x81 | packet[2] & 1, if is_known { 0x80 } else { 0x83 }];
    let mut answer = [&packet[..2], &flags, &[0, 1, 0, found.len() as u8, 0, 0, 0, 0]].concat();
    answer.extend(&packet[12..at + 5]);
    for data in found {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend((data.len() as u16).to_be_bytes());
        answer.extend(data);
    }
    answer
}
