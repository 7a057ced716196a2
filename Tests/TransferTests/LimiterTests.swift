import Kernel
import Testing

@testable import Transfer

@Suite struct LimiterTests {
    @Test func neverLetsMoreThroughThanItMay() async {
        let limiter = Limiter(3)
        let seen = Condition((now: 0, most: 0, done: 0))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<500 {
                group.addTask {
                    await limiter.acquire()
                    seen.withLock {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                    }
                    await Task.yield()
                    seen.withLock {
                        $0.now -= 1
                        $0.done += 1
                    }
                    limiter.release()
                }
            }
        }
        #expect(seen.withLock { $0.done } == 500)
        #expect((1...3).contains(seen.withLock { $0.most }))
    }

    @Test func waitersGoInOrder() async {
        let limiter = Limiter(1)
        let order = Condition<[Int]>([])
        await limiter.acquire()
        var tasks: [Task<Void, Never>] = []
        for number in 0..<20 {
            let (started, signal) = AsyncStream<Void>.makeStream()
            tasks.append(
                Task { @MainActor in
                    signal.finish()
                    await limiter.acquire()
                    order.withLock { $0.append(number) }
                    limiter.release()
                })
            for await _ in started {}
            // The task runs to its wait before the main actor takes this.
            await MainActor.run {}
        }
        limiter.release()
        for task in tasks { await task.value }
        #expect(order.withLock { $0 } == Array(0..<20))
    }

    @Test func atLeastOneGoesThrough() async {
        let limiter = Limiter(0)
        await limiter.acquire()
        limiter.release()
        await limiter.acquire()
    }
}

@Suite struct EngineExecutorTests {
    @Test func runsTasksOnItsOwnThreads() async throws {
        let executor = try EngineExecutor(threads: 2)
        let sum = await withTaskExecutorPreference(executor) {
            await withTaskGroup(of: Int.self) { group in
                for number in 0..<5000 {
                    group.addTask {
                        await Task.yield()
                        return number
                    }
                }
                return await group.reduce(0, +)
            }
        }
        #expect(sum == 5000 * 4999 / 2)
    }

    /// Two tasks that wait for each other, without a suspension: both must have a thread.
    @Test func tasksMayBlockBesideEachOther() async throws {
        let executor = try EngineExecutor(threads: 2)
        let arrived = Condition(0)
        let met = await withTaskExecutorPreference(executor) {
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        arrived.withLock(wake: true) { $0 += 1 }
                        return arrived.wait(until: .after(seconds: 20)) { $0 == 2 ? true : nil } ?? false
                    }
                }
                return await group.reduce(true) { $0 && $1 }
            }
        }
        #expect(met)
    }

    /// A task that keeps its thread until another one that it has started is done, and says so.
    @Test func aTaskMayBlockForWhatItStarted() async throws {
        let executor = try EngineExecutor(threads: 2)
        let isDone = Condition(false)
        let wasDone = await withTaskExecutorPreference(executor) {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { isDone.withLock(wake: true) { $0 = true } }
                EngineExecutor.mayBlock()
                return isDone.wait(until: .after(seconds: 20)) { $0 ? true : nil } ?? false
            }
        }
        #expect(wasDone)
    }
}
