import EventLoop
import Foundation
import Logging
import NodeLink
import SiteFile
import Snapshot
import TLS

/// OCSP responses of certificates with `ocsp: fetch`: asked for here, never by a node.
///
/// Nobody waits for a responder: a site is served without a response until there is one. New responses are no new revision, but
/// the one in force with another digest, as new addresses of names are.
extension Controller {
    /// Follows the site in force.
    func watchStaples(isNew: Bool) {
        staples.adopt(isStopping ? [] : current?.staples ?? [], isNew: isNew, now: Clock.wallSeconds())
        tendStaples()
    }

    /// Asks what is due, ends what is over, and comes back when there is more of that. Not before the site is served.
    func tendStaples() {
        stapleTimer?.cancel()
        stapleTimer = nil
        guard !isStarting, !isStopping else { return }
        let now = Clock.wallSeconds()
        for question in staples.expire(now: now) {
            logger.error("the OCSP response for \(certificates(of: question)) is over, and there is no newer one")
            publishStaples(within: .zero)
        }
        for question in staples.begin(now: now) {
            Task {
                let answer = await self.fetch(question)
                self.answered(question, answer)
            }
        }
        guard let next = staples.next else { return }
        // Not for long: the wall clock may be set.
        let wait = Duration.seconds(min(max(next - now, 1), 3600))
        stapleTimer = Task { [weak self] in
            guard (try? await Task.sleep(for: wait)) != nil else { return }
            await self?.tendStaples()
        }
    }

    nonisolated func fetch(_ question: OCSPQuestion) async -> Result<FetchedResponse, FetchFailure> {
        switch await responders.answer(to: question) {
        case .failure(let failure): return .failure(failure)
        case .success(let bytes): return FetchedResponse.checked(bytes, question, now: Clock.wallSeconds())
        }
    }

    func answered(_ question: OCSPQuestion, _ answer: Result<FetchedResponse, FetchFailure>) {
        defer { tendStaples() }
        guard let outcome = staples.answered(question, answer, now: Clock.wallSeconds()) else { return }
        let name = certificates(of: question)
        switch outcome {
        case .failedAgain: return
        case .failed(let reason):
            let rest = staples.certificates[question]?.response.map { "the one before is good until \($0.endText)" }
            logger.error(
                "no OCSP response for \(name) from \(question.responder): \(reason); \(rest ?? "nothing is stapled")")
        case .revoked(let isNew):
            guard isNew else { return }
            logger.error("the certificate \(name) is revoked, says \(question.responder): nothing is stapled")
            publishStaples(within: .zero)
        case .stapled, .recovered, .renewed:
            let response = staples.certificates[question]?.response
            logger.info("OCSP response for \(name) from \(question.responder), good until \(response?.endText ?? "")")
            publishStaples(within: outcome == .stapled ? stapleDelay : renewalDelay(response))
        }
    }

    /// With others under way, a response that is missed waits for them a little.
    private var stapleDelay: Duration { staples.asked == 0 ? .zero : timing.firstStaple }

    /// A quarter of a response's time at most: then the one before, which was asked to be replaced at half, is still good.
    private func renewalDelay(_ response: FetchedResponse?) -> Duration {
        min(timing.renewedStaple, .seconds(((response?.end ?? 0) - Clock.wallSeconds()) / 4))
    }

    /// The certificates that the question is about, as the site file writes them.
    private func certificates(of question: OCSPQuestion) -> String {
        let staples = current?.staples.filter { $0.question == question } ?? []
        return Set(staples.compactMap { current?.snapshot.certificate(of: $0)?.name }).sorted().joined(separator: ", ")
    }

    // MARK: to the nodes

    private func publishStaples(within delay: Duration) {
        let time = ContinuousClock.now + delay
        if let planned = staplePublication {
            if planned.time <= time { return }
            planned.task.cancel()
        }
        let task = Task { [weak self] in
            guard (try? await Task.sleep(until: time, clock: .continuous)) != nil else { return }
            await self?.publishStaplesNow()
        }
        staplePublication = (time, task)
    }

    private func publishStaplesNow() async {
        staplePublication = nil
        do {
            try await exclusively { controller in
                guard let current = controller.current else { return }
                let publication = current.stapling(controller.staples.responses)
                guard publication.digest != current.digest else { return }
                controller.publishAgain(publication, with: "new OCSP responses")
            }
            await rememberStaples()
        } catch {
            // The site stops.
            logger.info("OCSP responses are not published: \(error)")
        }
    }

    // MARK: over a restart

    /// Keeps what is stapled for a control plane that starts while a responder is away.
    func rememberStaples() async {
        let lines = staples.responses.map { question, response in
            "\(Data(question.request).base64EncodedString()) \(Data(response).base64EncodedString())"
        }
        do {
            try await store.set(.staples, to: lines.isEmpty ? nil : lines.sorted().joined(separator: "\n"))
        } catch {
            logger.error("OCSP responses are not stored: \(error)")
        }
    }

    /// Takes up what was stored for certificates of a publication, as far as it still counts.
    ///
    /// - Returns: The publication with these stapled.
    func restoringStaples(of publication: Publication) async -> Publication {
        guard !publication.staples.isEmpty else { return publication }
        let now = Clock.wallSeconds()
        var stored: [[UInt8]: [UInt8]] = [:]
        for line in (try? await store.setting(.staples))?.split(separator: "\n") ?? [] {
            let parts = line.split(separator: " ").compactMap { Data(base64Encoded: String($0)) }
            if parts.count == 2 { stored[Array(parts[0])] = Array(parts[1]) }
        }
        for staple in publication.staples {
            guard let bytes = stored[staple.question.request],
                case .success(let response) = FetchedResponse.checked(bytes, staple.question, now: now)
            else { continue }
            staples.restore(staple.question, response, now: now)
        }
        return publication.stapling(staples.responses)
    }
}

extension FetchedResponse {
    static func checked(
        _ bytes: [UInt8], _ question: OCSPQuestion, now: Int64
    ) -> Result<FetchedResponse, FetchFailure> {
        do throws(OCSPRefusal) {
            let response = FetchedResponse(bytes: bytes, answer: try question.check(bytes, now: now))
            // One without an end may be over as well.
            guard response.end > now else {
                return .failure(FetchFailure(reason: "\(OCSPRefusal.outOfDate(response.end))"))
            }
            return .success(response)
        } catch {
            return .failure(FetchFailure(reason: "\(error)"))
        }
    }

    var endText: String { Date(timeIntervalSince1970: Double(end)).formatted(.iso8601) }
}

extension Controller.Publication {
    /// The same with these responses; a certificate whose response is fetched and not among them gets none.
    func stapling(_ responses: [OCSPQuestion: [UInt8]]) -> Controller.Publication {
        guard !staples.isEmpty else { return self }
        var snapshot = snapshot
        for staple in staples {
            guard let listener = snapshot.listeners.firstIndex(where: { $0.name == staple.listener }) else { continue }
            snapshot.listeners[listener].tls?.certificates[staple.certificate].ocspResponse =
                responses[staple.question] ?? []
        }
        return Controller.Publication(revision: revision, snapshot: snapshot, names: names, staples: staples)
    }
}

extension Snapshot {
    func certificate(of staple: FetchedStaple) -> ServerCertificate? {
        listeners.first { $0.name == staple.listener }?.tls?.certificates[staple.certificate]
    }
}
