import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/** Speaks the protocol of MongoDB on a port of the loopback interface, and ends with its standard input. */
public final class Store {
    public static void main(String[] arguments) throws Exception {
        MongoServer server = new MongoServer(new MemoryBackend());
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        System.out.println("listening");
        while (System.in.read() >= 0) {
            continue;
        }
        server.shutdownNow();
    }
}
