"""One strategy per file; each is `Strategy(site).propose(situation) -> Plan`."""
