import { SchemaChecker } from '#lib/schema/checker.ts'

/** A checker that ends with the test's scope. */
export class TestChecker extends SchemaChecker implements AsyncDisposable {
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
