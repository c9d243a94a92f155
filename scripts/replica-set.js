// Makes the replica set of docker-compose.yml and the server's database user. Run again, it leaves the set as it is
// and gives the user the password named now. For mongosh:
// https://www.mongodb.com/docs/manual/reference/method/rs.initiate/ · .../method/db.createUser/
const NOT_YET_INITIALIZED = 94;
const members = process.env.MEMBERS.split(",");
const name = process.env.DATABASE;
const administrator = "root:" + encodeURIComponent(process.env.MONGODB_ROOT_PASSWORD);

function initiate() {
    const first = connect("mongodb://" + administrator + "@" + members[0] + "/admin?directConnection=true");
    try {
        first.adminCommand({ replSetGetStatus: 1 });
        print("The replica set exists.");
    } catch (error) {
        if (error.code !== NOT_YET_INITIALIZED) throw error;
        const config = { _id: "rs0", members: members.map((host, number) => ({ _id: number, host: host })) };
        first.adminCommand({ replSetInitiate: config });
        print("The replica set is made.");
    }
}

function grant() {
    const all = connect("mongodb://" + administrator + "@" + members.join(",") + "/admin?replicaSet=rs0");
    const database = all.getSiblingDB(name);
    const user = { pwd: process.env.FHIR_DATABASE_PASSWORD, roles: [{ role: "readWrite", db: name }] };
    if (database.getUser("fhir")) {
        database.updateUser("fhir", user);
    } else {
        database.createUser({ user: "fhir", ...user });
    }
    print("The server's user may read and write the database " + name + ".");
}

initiate();
// Electing the first primary takes some seconds.
const deadline = Date.now() + 60000;
for (;;) {
    try {
        grant();
        break;
    } catch (error) {
        if (Date.now() > deadline) throw error;
        print("Waiting for a primary: " + error.message);
        sleep(1000);
    }
}
