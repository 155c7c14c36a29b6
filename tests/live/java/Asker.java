import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Asks what standard input says: kind of client, URL, certificate, threads. */
public class Asker {
    private static HttpClient client;

    public static void main(String[] arguments) throws Exception {
        SSLContext tls = trusting(arguments[2]);
        HttpsURLConnection.setDefaultSSLSocketFactory(tls.getSocketFactory());
        HttpClient.Version version = arguments[0].equals("h2") ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1;
        client = HttpClient.newBuilder().sslContext(tls).version(version).build();
        String url = arguments[1];
        boolean isUrl = arguments[0].equals("url");
        run(Integer.parseInt(arguments[3]), isUrl ? (ask, body) -> withUrlConnection(url, ask, body) : (ask, body) -> withHttpClient(url, ask, body));
    }

    /** Makes one request. ask: id, method, path, body size or -1, whether chunked, then headers; body: null when there is none. */
    interface Way {
        void ask(String[] ask, byte[] body) throws Exception;
    }

    /** Makes the requests of standard input in so many threads, a line a request, once the line "go" or its end has come. */
    static void run(int threads, Way way) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        try {
            while (true) {
                List<Future<?>> asked = new ArrayList<>();
                String line;
                while ((line = lines.readLine()) != null && !line.equals("go")) {
                    String[] ask = line.split("\t", -1);
                    asked.add(pool.submit(() -> {
                        way.ask(ask, ask[3].equals("-1") ? null : bodyFor(ask[0], Integer.parseInt(ask[3])));
                        return null;
                    }));
                }
                for (Future<?> one : asked) {
                    one.get();
                }
                System.out.println("done");
                if (line == null) {
                    break;
                }
            }
        } finally {
            pool.shutdownNow(); // else its threads keep a program alive that has failed
        }
    }

    private static void withHttpClient(String url, String[] ask, byte[] body) throws Exception {
        BodyPublisher publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body);
        if (body != null && ask[4].equals("1")) {
            publisher = BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(body));
        }
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + ask[2])).method(ask[1], publisher);
        for (int i = 5; i < ask.length; i++) {
            request.header(ask[i].split(": ", 2)[0], ask[i].split(": ", 2)[1]);
        }
        client.send(request.build(), BodyHandlers.ofByteArray());
    }

    private static void withUrlConnection(String url, String[] ask, byte[] body) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) new URL(url + ask[2]).openConnection();
        connection.setRequestMethod(ask[1]);
        for (int i = 5; i < ask.length; i++) {
            connection.addRequestProperty(ask[i].split(": ", 2)[0], ask[i].split(": ", 2)[1]);
        }
        if (body != null) {
            connection.setDoOutput(true);
            if (ask[4].equals("1")) {
                connection.setChunkedStreamingMode(0);
            } else {
                connection.setFixedLengthStreamingMode(body.length);
            }
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body);
            }
        }
        InputStream in = connection.getResponseCode() < 400 ? connection.getInputStream() : connection.getErrorStream();
        if (in != null) {
            in.readAllBytes();
            in.close();
        }
    }

    static byte[] bodyFor(String id, int size) throws Exception {
        byte[] unit = MessageDigest.getInstance("SHA-256").digest(id.getBytes("UTF-8"));
        byte[] body = new byte[size];
        for (int i = 0; i < size; i++) {
            body[i] = unit[i % unit.length];
        }
        return body;
    }

    private static SSLContext trusting(String certificate) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = new FileInputStream(certificate)) {
            store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
