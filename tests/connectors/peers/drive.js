// Drives the tank one step in lock-step with node-opcua and prints what it saw as one JSON document.
const { AttributeIds, DataType, MessageSecurityMode, OPCUAClient, SecurityPolicy } = require("node-opcua-client");

async function main(endpoint, namespace) {
  const client = OPCUAClient.create({
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
    securityMode: MessageSecurityMode.None,
    securityPolicy: SecurityPolicy.None,
  });
  await client.connect(endpoint);
  const session = await client.createSession();
  const index = (await session.readNamespaceArray()).indexOf(namespace);
  const node = (name) => `ns=${index};s=Works.${name}`;
  const write = async (name, dataType, value) =>
    (await session.write({ nodeId: node(name), attributeId: AttributeIds.Value, value: { value: { dataType, value } } })).name;
  const read = async (name) => {
    const answer = await session.read({ nodeId: node(name), attributeId: AttributeIds.Value });
    return { status: answer.statusCode.name, type: DataType[answer.value.dataType], value: answer.value.value };
  };
  const seen = { folders: [], writes: {}, before: (await read("Clock")).value };
  for (const reference of (await session.browse(node("Pump/"))).references) seen.folders.push(reference.browseName.name);
  seen.writes.speed = await write("Pump.SpeedOrder", DataType.Double, 0.75);
  seen.writes.command = await write("Pump.Command", DataType.String, "STARTUP");
  seen.writes.dance = await write("Pump.Command", DataType.String, "DANCE");
  seen.writes.wrongType = await write("Pump.SpeedOrder", DataType.Float, 0.75);
  seen.writes.readOnly = await write("Tank.Level", DataType.Double, 1.0);
  seen.writes.advance = await write("Advance", DataType.Double, 900.0);
  while ((await read("Advance")).value > 0) await new Promise((later) => setTimeout(later, 2));
  for (const name of ["Clock", "Pump.Running", "Pump.Speed", "Pump.Power", "Ghost"]) seen[name] = await read(name);
  await session.close();
  await client.disconnect();
  console.log(JSON.stringify(seen));
}

main(process.argv[2], process.argv[3]).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
