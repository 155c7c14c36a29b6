import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * Answers as tests/live/servers.py does, over JSSE: certificate, file with its key. Prints its port, and at the end a line an exchange: id,
 * port, method, target, digest of the body, status, digest of the answer, and headers, those of the request marked with {@code >}.
 */
public class Answerer {
    private static final Queue<String> RECORD = new ConcurrentLinkedQueue<>();

    public static void main(String[] arguments) throws Exception {
        HttpsServer server = HttpsServer.create(new InetSocketAddress("127.0.0.1", 0), 128);
        server.setHttpsConfigurator(new HttpsConfigurator(context(arguments[0], arguments[1])));
        server.setExecutor(Executors.newFixedThreadPool(50));
        server.createContext("/", Answerer::answer);
        server.start();
        System.out.println(server.getAddress().getPort());
        while (System.in.read() >= 0) {
            continue; // the end of input ends us
        }
        RECORD.forEach(System.out::println);
        System.exit(0);
    }

    private static void answer(HttpExchange exchange) {
        try {
            byte[] body = exchange.getRequestBody().readAllBytes();
            String id = exchange.getRequestHeaders().getFirst("X-Id");
            int port = exchange.getRemoteAddress().getPort();
            String query = exchange.getRequestURI().getRawQuery();
            String size = asked(query, "size");
            byte[] answer = size == null ? body : Asker.bodyFor("answer " + id, Integer.parseInt(size));
            String status = asked(query, "status");
            boolean isHead = exchange.getRequestMethod().equals("HEAD");
            boolean isEmpty = isHead || answer.length == 0;
            exchange.getResponseHeaders().add("X-Id", id);
            exchange.getResponseHeaders().add("x-PEER-port", "" + port);
            exchange.getResponseHeaders().add("Set-Cookie", "one=" + id + "; Path=/");
            exchange.getResponseHeaders().add("set-cookie", "two=2, still two");
            int code = status == null ? 200 : Integer.parseInt(status);
            exchange.sendResponseHeaders(code, isEmpty ? -1 : "1".equals(asked(query, "chunked")) ? 0 : answer.length);
            StringBuilder line = new StringBuilder(id + "\t" + port + "\t" + exchange.getRequestMethod() + "\t"
                    + exchange.getRequestURI() + "\t" + digest(body) + "\t" + code + "\t" + digest(isEmpty ? new byte[0] : answer));
            add(line, "\t>", exchange.getRequestHeaders());
            add(line, "\t", exchange.getResponseHeaders());
            if (!isEmpty) {
                try (OutputStream out = exchange.getResponseBody()) {
                    out.write(answer);
                }
            }
            exchange.close();
            RECORD.add(line.toString());
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    private static void add(StringBuilder line, String mark, Map<String, List<String>> headers) {
        headers.forEach((name, values) -> values.forEach(value -> line.append(mark).append(name).append(": ").append(value)));
    }

    static String asked(String query, String name) {
        for (String pair : query.split("&")) {
            if (pair.startsWith(name + "=")) {
                return pair.substring(name.length() + 1);
            }
        }
        return null;
    }

    static String digest(byte[] data) throws Exception {
        StringBuilder text = new StringBuilder();
        for (byte one : MessageDigest.getInstance("SHA-256").digest(data)) {
            text.append(String.format("%02x", one));
        }
        return text.toString();
    }

    private static SSLContext context(String certificate, String key) throws Exception {
        Certificate ours;
        try (InputStream in = new FileInputStream(certificate)) {
            ours = CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
        String pem = new String(Files.readAllBytes(Paths.get(key)), "US-ASCII");
        String text = pem.substring(pem.indexOf("KEY-----") + 8, pem.indexOf("-----END")).replaceAll("\\s", "");
        PrivateKey secret = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setKeyEntry("server", secret, new char[0], new Certificate[] {ours});
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
    }
}
