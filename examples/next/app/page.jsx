import { connection } from 'next/server';

export default async function Page() {
  // Without it this page would be made once, by the build, which knows no $VERSION.
  await connection();
  return <p>{`release ${process.env.VERSION}`}</p>;
}
