import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** Speaks the protocol of MongoDB on a port of the loopback interface, until it is ended. */
public final class Store {
    /** The oldest that drivers still talk to; the library's own claims stop before it. */
    private static final class Oldest implements MongoVersion {
        @Override
        public int getWireVersion() {
            return 9;
        }

        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0, 0);
        }

        @Override
        public String toVersionString() {
            return "4.4.0";
        }
    }

    public static void main(String[] arguments) throws Exception {
        new MongoServer(new MemoryBackend().version(new Oldest())).bind("127.0.0.1", Integer.parseInt(arguments[0]));
        Thread.currentThread().join();
    }
}
